"""Sends an example's capture through this machine's kernel and prints the ruleset with its counters.

    capture ──► px<name> ═veth═ <name> in a network namespace: addresses, routes, neighbours of host.toml, rules.nft

Packets the router itself sent (their source is the interface's own address) are left out: its own kernel sends those.
"""
import os, pathlib, socket, struct, subprocess, sys, time, tomllib

example = pathlib.Path(sys.argv[1])
host = tomllib.loads((example / "host.toml").read_text())
space = f"iw{os.getpid()}"


def run(*words, may_fail=False):
    return subprocess.run(words, check=not may_fail, capture_output=True, text=True).stdout


def inside(*words, may_fail=False):
    return run("ip", "netns", "exec", space, *words, may_fail=may_fail)


def packets(path):
    """Interface name and bytes of each packet of a little-endian pcapng file."""
    data, at, names = path.read_bytes(), 0, []
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + length - 4]
        if kind == 1:
            names.append("")
            option = 8
            while option + 4 <= len(body):
                code, size = struct.unpack_from("<HH", body, option)
                if code == 2:
                    names[-1] = body[option + 4 : option + 4 + size].decode()
                if code == 0:
                    break
                option += 4 + (size + 3) // 4 * 4
        elif kind == 6:
            interface, _, _, captured, _ = struct.unpack_from("<IIIII", body)
            yield names[interface], body[20 : 20 + captured]
        at += length


sockets, macs = {}, {}
run("ip", "netns", "add", space)
try:
    inside("ip", "link", "set", "lo", "up")
    for switch in ("ipv4.ip_forward=1", "ipv6.conf.all.forwarding=1", "ipv4.conf.all.rp_filter=0",
                   "ipv4.conf.default.rp_filter=0", "ipv6.conf.default.accept_dad=0"):
        inside("sysctl", "-qw", "net." + switch)
    for interface in host["interface"]:
        name = interface["name"]
        if name == "lo":
            continue
        peer = f"px{os.getpid() % 100000}{len(sockets)}"
        run("ip", "link", "add", peer, "type", "veth", "peer", "name", name, "netns", space)
        run("sysctl", "-qw", f"net.ipv6.conf.{peer}.disable_ipv6=1", may_fail=True)
        run("ip", "link", "set", peer, "up")
        inside("ip", "link", "set", name, "address", interface["mac"], "up")
        for address in interface.get("addresses", []):
            inside("ip", "address", "add", address, "dev", name, may_fail=True)
        sockets[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sockets[name].bind((peer, 0))
        macs[name] = bytes.fromhex(interface["mac"].replace(":", ""))
    for route in host.get("route", []):
        via = ["via", route["via"]] if "via" in route else []
        inside("ip", "route", "add", route["dst"], *via, "dev", route["dev"])
    for neighbour in host.get("neighbour", []):
        inside("ip", "neighbour", "replace", neighbour["address"], "lladdr", neighbour["mac"], "dev", neighbour["dev"])
    time.sleep(0.5)
    inside("nft", "-f", str(example / "rules.nft"))
    for name, packet in packets(example / "trace.pcapng"):
        if name in sockets and packet[6:12] != macs[name]:
            sockets[name].send(packet)
            # One after another: two interfaces are two queues.
            time.sleep(0.002)
    time.sleep(0.3)
    print(inside("nft", "list", "ruleset"))
finally:
    run("ip", "netns", "del", space, may_fail=True)
