"""Loads each line of standard input with nft into an empty ruleset, and prints the user data of the set it makes.

A line of output for each of input: the user data in hexadecimal, or `refused: WHY`. The set is called s. Run in a network
namespace of its own (`unshare -n python3 userdata.py`), as root.
"""

import socket
import struct
import subprocess
import sys

NETLINK_NETFILTER = 12
NFT_MSG_GETSET = 10 << 8 | 10
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_DONE = 1, 0x300, 3
NFTA_SET_NAME, NFTA_SET_USERDATA = 2, 13


def attributes(data):
    """Netlink attributes: type, value."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3:]


def userdata():
    """User data of every set, by name."""
    found = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        netlink.send(struct.pack("=IHHIIBBH", 20, NFT_MSG_GETSET, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, 0, 0, 0))
        while True:
            data = netlink.recv(1 << 20)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_DONE:
                    return found
                values = dict(attributes(data[20:length]))
                if NFTA_SET_NAME in values:
                    name = values[NFTA_SET_NAME].rstrip(b"\0").decode()
                    found[name] = values.get(NFTA_SET_USERDATA, b"").hex()
                data = data[(length + 3) & ~3:]


for line in sys.stdin:
    line = "flush ruleset\n" + line
    run = subprocess.run(["nft", "-f", "-"], input=line.encode(), capture_output=True)
    if run.returncode:
        error = run.stderr.decode(errors="replace").splitlines() or [f"status {run.returncode}"]
        print("refused:", error[0].strip())
    else:
        print(userdata().get("s", ""))
