"""Packets that are answered, and packets that NAT changes: see rig.py."""
from rig import counters, icmp, ip, send, tcp, udp

C, S, R = "10.1.0.1", "10.2.0.1", "10.1.0.254"
send("v", "unreachable, with a class of service", udp(C, S, 1000, 500, tos=0xB8))
send("v", "unreachable, cut to 576 bytes", udp(C, S, 1001, 500, b"x" * 900))
send("v", "unreachable with a code", udp(C, S, 1002, 501))
send("v", "reset of a SYN", tcp(C, S, 1003, 502, 1000, 0, 2))
send("v", "reset of data", tcp(C, S, 1004, 502, 1000, 77, 0x18, b"abc"))
send("v", "reset of a FIN without ACK", tcp(C, S, 1004, 502, 1000, 77, 1, b"abc"))
send("v", "no reset of a reset", tcp(C, S, 1005, 502, 1000, 77, 4))
send("v", "unreachable at input", udp(C, R, 1005, 503))
send("v", "unreachable at input, the host's other address", udp(C, "10.2.0.254", 1005, 503))
send("v", "unreachable at prerouting", udp(C, S, 1006, 504))
send("v", "copy at forward", udp(C, S, 1007, 505, frag=0))
send("v", "copy at prerouting", udp(C, S, 1008, 506, frag=0))
send("v", "time exceeded", udp(C, S, 1009, 600, ttl=1))
# Of another host: the kernel has one allowance for these and for other errors, and a rate of 0 empties it.
send("v", "no route", udp("10.1.0.3", "99.0.0.1", 1010, 600))
send("v", "too big", icmp(C, S, 8, 0, b"\0\1\0\1", b"y" * 1472))
send("v", "netdev unreachable", udp(C, S, 1011, 700, tos=0xB8))
send("v", "netdev unreachable, cut", udp(C, S, 1011, 700, b"z" * 900))
send("v", "netdev reset", tcp(C, S, 1012, 701, 1000, 0, 2))
send("v", "netdev copy", udp(C, S, 1013, 702))
send("v", "netdev forward", udp(C, S, 1013, 703))
send("v", "netdev forward to a neighbour", udp(C, S, 1013, 704))
send("v", "netdev forward to a neighbour, the last hop", udp(C, S, 1013, 704, ttl=1))
send("v", "netdev unreachable for an error", icmp(C, S, 11, 0, b"\0" * 4, udp(S, C, 1, 1)))
send("v", "reset behind destination NAT", tcp(C, R, 1020, 800, 1000, 0, 2))
send("v", "unreachable behind destination NAT", udp(C, R, 1021, 802))
send("v", "a connection begins", tcp(C, S, 1030, 900, 1000, 0, 2))
send("s", "and is answered", tcp(S, C, 900, 1030, 5000, 1001, 0x12))
send("v", "and stands", tcp(C, S, 1030, 900, 1001, 5001, 0x10))
send("v", "and is reset", tcp(C, S, 1030, 900, 1001, 5001, 0x18, b"Q"))
send("v", "masqueraded", udp(C, S, 1040, 1100))
send("s", "an answer to it", udp(S, "10.2.0.254", 1100, 1040))
send("s", "time exceeded for an answer to it", udp(S, "10.2.0.254", 1100, 1040, ttl=1))
for host in range(1, 6):
    C = f"10.1.0.{host}"
    for port in 1101, 1102, 1103, 1110, 1111, 1112:
        for at, to in enumerate((S, "10.2.0.2")):
            send("v", f"{port} from {host} to {to}", udp(C, to, 2000 + 10 * host + at, port))
C = "10.1.0.1"
send("v", "masqueraded towards another network", udp(C, "10.2.1.1", 2200, 1100))
send("v", "redirected and refused", udp(C, S, 2100, 1113))
send("v", "hairpin", udp(C, R, 2101, 1114))
out = udp(R, "10.1.0.3", 2101, 9999)
send("v", "hairpin, the answer", udp("10.1.0.3", R, 9999, 2101))
send("v", "hairpin, an error for the answer", icmp(C, R, 3, 3, b"\0" * 4, udp(R, C, 1114, 2101)))
send("v", "hairpin, an error of the inner host", icmp("10.1.0.3", R, 3, 3, b"\0" * 4, out))
send("v", "prefix", udp(C, "10.9.0.2", 2102, 7))
send("s", "prefix, the answer", udp("10.2.0.2", C, 7, 2102))
send("s", "an error from a router behind", icmp("10.2.0.4", C, 11, 0, b"\0" * 4, udp(C, "10.2.0.2", 2102, 7)))
send("s", "a redirect", icmp("10.2.0.4", C, 5, 1, b"\n\2\0\5", udp(C, "10.2.0.2", 2102, 7)))
send("v", "echo", icmp(C, "10.2.0.2", 8, 0, b"\x12\x34\0\1", b"data"))
send("s", "echo reply", icmp("10.2.0.2", "10.2.0.77", 0, 0, b"\x12\x34\0\1", b"data"))
send("s", "an error about the echo", icmp("10.2.0.4", "10.2.0.77", 3, 1, b"\0" * 4,
                                         icmp("10.2.0.77", "10.2.0.2", 8, 0, b"\x12\x34\0\1", b"data")))
send("v", "GRE", ip(C, S, 47, b"\0\0\x08\0" + b"inner"))
send("s", "GRE back", ip(S, "10.2.0.78", 47, b"\0\0\x08\0" + b"inner"))
send("v", "another protocol", ip(C, S, 99, b"whatever"))
send("s", "another protocol back", ip(S, "10.2.0.78", 99, b"whatever"))
send("s", "an error about it", icmp(S, "10.2.0.78", 3, 2, b"\0" * 4, ip("10.2.0.78", S, 99, b"whatever")))
send("s", "an error about the masqueraded", icmp(S, "10.2.0.254", 3, 3, b"\0" * 4, udp("10.2.0.254", S, 1040, 1100)))
send("v", "an error about the answer", icmp(C, S, 3, 3, b"\0" * 4, udp(S, C, 1100, 1040)))
C, S, R = "fd01::1", "fd02::1", "fd01::fe"
for host in range(1, 6):
    C = f"fd01::{host}"
    for port in 1101, 1102, 1103, 1111:
        for at, to in enumerate((S, "fd02::2")):
            send("v", f"IPv6 {port} from {host} to {to}", udp(C, to, 2000 + 10 * host + at, port))
C = "fd01::1"
send("v", "IPv6 masqueraded", udp(C, S, 2040, 1100))
send("v", "IPv6 masqueraded towards another network", udp(C, "fd02:0:0:1::1", 2041, 1100))
send("s", "IPv6 answer", udp(S, "fd02::fe", 1100, 2040))
send("s", "IPv6 error about it", icmp(S, "fd02::fe", 1, 4, b"\0" * 4, udp("fd02::fe", S, 2040, 1100)))
send("v", "IPv6 reset behind destination NAT", tcp(C, R, 2050, 800, 1000, 0, 2))
send("v", "IPv6 unreachable", udp(C, S, 1000, 500))
send("v", "IPv6 unreachable, cut to 1280 bytes", udp(C, S, 1000, 500, b"w" * 1300))
send("v", "IPv6 unreachable with a code", udp(C, S, 1001, 501))
send("v", "IPv6 reset", tcp(C, S, 1003, 502, 1000, 0, 2))
send("v", "IPv6 unreachable at input", udp(C, R, 1005, 503))
send("v", "IPv6 copy", udp(C, S, 1006, 505))
send("v", "IPv6 time exceeded", udp(C, S, 1000, 600, ttl=1))
send("v", "IPv6 no route", udp(C, "fd99::1", 1000, 600))
send("v", "IPv6 too big", icmp(C, S, 128, 0, b"\0\1\0\1", b"y" * 1400))
send("v", "IPv6 netdev unreachable, cut", udp(C, S, 1000, 700, b"w" * 1300))
send("v", "IPv6 netdev reset", tcp(C, S, 1003, 701, 1000, 0, 2))
counters("out", "post")
