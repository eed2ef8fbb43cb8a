"""Sends packets through this machine's kernel, in the network namespace it runs in, and prints every frame that left for each:

    # name                     client 10.1.0.1, fd01::1 ── v0 ═ v1 ── the kernel ── s1 ═ s0 ── 10.2.0.1, fd02::1
    > v1 HEX   what was sent                                    └── d1 ═ d0
    < v1 HEX   what left

Then `counters` and the packets of each counter. Which frames a packet caused is known by a marker sent behind it: the
kernel's queue keeps the order, for all is done on one processor.
"""
import os, re, socket, struct, subprocess, sys

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def run(*words, text=None):
    return subprocess.run(words, check=True, capture_output=True, text=True, input=text).stdout


def setting(path, value):
    with open("/proc/sys/net/" + path, "w") as file:
        file.write(str(value))


LINKS = {"v": ("01", "0a"), "s": ("02", "0b"), "d": ("03", "0c")}
setting("ipv6/conf/default/disable_ipv6", 1)
for name, (near, far) in LINKS.items():
    run("ip", "link", "add", name + "0", "address", "02:00:00:00:00:" + far, "type", "veth",
        "peer", "name", name + "1", "address", "02:00:00:00:00:" + near)
setting("ipv4/ip_forward", 1)
setting("ipv6/conf/all/forwarding", 1)
setting("ipv4/icmp_ratelimit", 0)
setting("ipv6/icmp/ratelimit", 0)
for dev in "v1", "s1":
    setting(f"ipv6/conf/{dev}/disable_ipv6", 0)
    setting(f"ipv4/conf/{dev}/rp_filter", 0)
setting("ipv4/conf/all/rp_filter", 0)
run("ip", "link", "set", "s1", "mtu", "1400")
for dev in "lo", "v0", "v1", "s0", "s1", "d0", "d1":
    run("ip", "link", "set", dev, "up")
for dev, net, far in ("v1", 1, "0a"), ("s1", 2, "0b"):
    run("ip", "addr", "add", f"10.{net}.0.254/24", "dev", dev)
    run("ip", "-6", "addr", "add", f"fd0{net}::fe/64", "dev", dev, "nodad")
    for address in [f"10.{net}.0.{n}" for n in range(1, 6)] + [f"fd0{net}::{n}" for n in range(1, 6)]:
        run("ip", "neigh", "add", address, "lladdr", "02:00:00:00:00:" + far, "dev", dev)
# The far ends are hosts of their own: the kernel must not take what arrives there.
run("nft", "-f", "-", text="table netdev far {\n" + "".join(
    f"chain {dev} {{ type filter hook ingress device {dev} priority 0; policy drop\n }}\n"
    for dev in ("v0", "s0", "d0", "d1")) + "}\n")
run("nft", "-f", sys.argv[1])


def wire(dev):
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    one.bind((dev, 0))
    one.setblocking(False)
    return one


wires = {name: wire(name + "0") for name in LINKS}


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def summed(src, dst, proto, body, at):
    pseudo = packed(src) + packed(dst) + struct.pack("!II", len(body), proto)
    if proto == 1:
        pseudo = b""
    return body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2:]


def ip(src, dst, proto, body, tos=0, ttl=64, frag=0x4000):
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28, len(body), proto, ttl) + packed(src) + packed(dst) + body
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(body), 1, frag, ttl, proto, 0) + packed(src) + packed(dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def udp(src, dst, sport, dport, data=b"hello", **more):
    body = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return ip(src, dst, 17, summed(src, dst, 17, body, 6), **more)


def tcp(src, dst, sport, dport, seq, ack, flags, data=b"", **more):
    body = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 500, 0, 0) + data
    return ip(src, dst, 6, summed(src, dst, 6, body, 16), **more)


def icmp(src, dst, kind, code, rest, data, **more):
    proto = 58 if ":" in src else 1
    return ip(src, dst, proto, summed(src, dst, proto, struct.pack("!BBH", kind, code, 0) + rest + data, 2), **more)


def frame(side, packet):
    near, far = LINKS[side]
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return bytes.fromhex("0200000000" + near + "0200000000" + far) + struct.pack("!H", kind) + packet


def is_noise(data):
    """Neighbour discovery and group management of the kernel's own."""
    return data[12:14] not in (b"\x08\0", b"\x86\xdd") or data[0] & 1 or (
        data[12:14] == b"\x86\xdd" and data[20] == 58 and 130 <= data[54] <= 143)


marks = 0


def send(side, name, packet):
    global marks
    marks += 1
    wires[side].send(frame(side, packet))
    mark = struct.pack("!I", marks)
    wires["v"].send(frame("v", udp("10.1.0.1", "10.2.0.1", 9, 9, b"mark" + mark)))
    import select
    left, seen = [], False
    while not seen:
        ready = select.select(list(wires.values()), [], [], 60)[0]
        if not ready:
            sys.exit("a marker was lost")
        for one, wire_ in wires.items():
            while True:
                try:
                    data, address = wire_.recvfrom(65536)
                except BlockingIOError:
                    break
                if address[2] == socket.PACKET_OUTGOING or is_noise(data):
                    continue
                if data.endswith(b"mark" + mark):
                    seen = True
                else:
                    left.append(f"< {one}1 {data.hex()}")
    print("#", name)
    print(">", side + "1", frame(side, packet).hex())
    print("\n".join(sorted(left)) if left else "nothing")


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
print("counters")
for chain in "out", "post":
    listed = run("nft", "list", "chain", "inet", "f", chain)
    print(chain, *re.findall(r"counter packets (\d+)", listed))
