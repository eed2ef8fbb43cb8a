#!/usr/bin/env python3
"""Transactions while packets flow: transactions.py WEIR [HOW MANY]

Through `weir run` go a bulk TCP stream, 10,000 short connections and a UDP stream of which each datagram is counted. Meanwhile
rules are added and a chain is replaced, a set of 100,000 elements is replaced, a flowtable is deleted and made again. Prints
what broke, and ends with 1 if anything did.
"""

import sys
import time

from net import BULK_CLIENT, BULK_SERVER, COUNTED_CLIENT, COUNTED_SERVER, SERVER, SHORT_CLIENT, SHORT_SERVER, Net

RULES = """
table inet f {
    set big { type ipv4_addr; }
    flowtable ft { hook ingress priority filter; devices = { lan0, wan0 }; }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related counter accept
        ip daddr @big drop
        iifname "lan0" counter accept
    }
}
table ip n { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade } }
"""

CHAIN = """
flush chain inet f forward
add rule inet f forward ct state established,related counter accept
add rule inet f forward ip daddr @big drop
add rule inet f forward iifname "lan0" counter accept
"""

FLOWTABLE = """
delete flowtable inet f ft
add flowtable inet f ft { hook ingress priority filter; devices = { lan0, wan0 }; }
"""


def big(first):
    """Replaces the set by 100,000 addresses."""
    addresses = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(first, first + 100_000))
    return f"flush set inet f big\nadd element inet f big {{ {', '.join(addresses)} }}\n"


def main():
    weir = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    bigs = [big(0), big(50_000)]
    with Net(weir, RULES) as net:
        servers = [net.python("server", script) for script in (SHORT_SERVER, COUNTED_SERVER, BULK_SERVER)]
        assert all(server.stdout.readline() == "ready\n" for server in servers)
        short = net.python("client", SHORT_CLIENT, SERVER, "4", "2500", "0")
        counted = net.python("client", COUNTED_CLIENT, SERVER, "0.001")
        bulk = net.python("client", BULK_CLIENT, SERVER, str(1 << 34))
        begun = time.time()
        for n in range(count):
            texts = [f"add rule inet f forward udp dport {1000 + n} counter\n", CHAIN, FLOWTABLE, bigs[n // 40 % 2]]
            net.nft("-f", "-", text=texts[n % 4] if n % 4 < 3 or n % 40 == 3 else "add table ip o\ndelete table ip o\n")
        print(f"{count} transactions in {time.time() - begun:.1f} s")
        done, bad, why = short.communicate(timeout=600)[0].strip().split(" ", 2)
        counted.terminate()
        bulk.terminate()
        sent, came = int(counted.communicate()[0]), int(servers[1].communicate(timeout=60)[0])
        bytes_sent, bytes_came = bulk.communicate()[0].strip(), servers[2].communicate(timeout=60)[0].strip()
    print(f"short connections: {done}, of which {bad} failed {why}")
    print(f"datagrams: {sent} sent, {came} received")
    print(f"bytes of the stream: {bytes_sent} sent, {bytes_came} received")
    return int(bad != "0" or sent != came or bytes_sent != bytes_came)


if __name__ == "__main__":
    sys.exit(main())
