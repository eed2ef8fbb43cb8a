"""Packets that rules count by routes, addresses, limits, quotas and connections: see rig.py."""
from rig import counters, icmp, ip, send, tcp, udp

C, S, R = "10.1.0.1", "10.2.0.1", "10.1.0.254"
for src in "10.1.0.1", "10.1.0.254", "10.2.0.1", "99.0.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", "10.1.0.255", "255.255.255.255":
    for dst in "10.2.0.1", "10.1.0.254", "10.2.0.254", "10.1.0.1", "10.1.0.255", "10.2.0.255", "255.255.255.255", "224.0.0.5", "127.0.0.1", "0.0.0.0":
        send("v", f"{src} to {dst}", udp(src, dst, 1000, 1000, ttl=2))
for src in "fd01::1", "fd01::fe", "fd02::1", "fd99::1", "::1", "ff02::1", "fe80::1":
    for dst in "fd02::1", "fd01::fe", "fd02::fe", "fd01::1", "ff02::5", "fd98::1", "::1":
        send("v", f"{src} to {dst}", udp(src, dst, 1000, 1000, ttl=2))
send("v", "IPv6 time exceeded, another way back", udp("fd02::1", "fd02::2", 1000, 1000, ttl=1))
send("v", "IPv6 refused, a source of the link alone", udp("fe80::1", "fd01::2", 1000, 1001))
send("v", "IPv6 refused, another way back", udp("fd02::1", "fd02::2", 1000, 1001))
send("v", "time exceeded, another way back", udp("10.2.0.1", "10.2.0.2", 1000, 1000, ttl=1))
for at in range(12):
    for port in 1201, 1202, 1203, 1205, 1206, 1207:
        send("v", f"{port}, the {at}th", udp(C, S, 2000 + port, port, b"x" * (40 * at)))
    send("v", f"another's {at}th", udp("10.1.0.2", S, 3000, 1205, b"y"))
for port in 1, 2, 3, 1, 4, 5, 2, 6, 1:
    send("v", f"connection {port}", udp(C, S, port, 1204))
counters("pre", "bounds")
