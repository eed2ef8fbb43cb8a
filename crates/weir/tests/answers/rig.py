"""A rig that sends packets through this machine's kernel, in the network namespace it runs in, and prints every frame that left for
each:

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
# Addresses of the link are good at once.
setting("ipv6/conf/default/accept_dad", 0)
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
    setting(f"ipv4/conf/{dev}/send_redirects", 0)
setting("ipv4/conf/all/rp_filter", 0)
setting("ipv4/conf/all/send_redirects", 0)
run("ip", "link", "set", "s1", "mtu", "1400")
for dev in "lo", "v0", "v1", "s0", "s1", "d0", "d1":
    run("ip", "link", "set", dev, "up")
for dev, net, far in ("v1", 1, "0a"), ("s1", 2, "0b"):
    run("ip", "addr", "add", f"10.{net}.0.254/24", "dev", dev)
    run("ip", "-6", "addr", "add", f"fd0{net}::fe/64", "dev", dev, "nodad")
    for address in [f"10.{net}.0.{n}" for n in range(1, 6)] + [f"fd0{net}::{n}" for n in range(1, 6)] + ["fe80::1"]:
        run("ip", "neigh", "add", address, "lladdr", "02:00:00:00:00:" + far, "dev", dev)
run("ip", "addr", "add", "10.2.1.254/24", "dev", "s1")
run("ip", "-6", "addr", "add", "fd02:0:0:1::fe/64", "dev", "s1", "nodad")
for address in "10.2.1.1", "fd02:0:0:1::1":
    run("ip", "neigh", "add", address, "lladdr", "02:00:00:00:00:0b", "dev", "s1")
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


def counters(*chains):
    print("counters")
    for chain in chains:
        listed = run("nft", "list", "chain", "inet", "f", chain)
        print(chain, *re.findall(r"counter packets (\d+)", listed))
