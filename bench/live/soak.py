#!/usr/bin/env python3
"""Hours of mixed traffic through `weir run`: soak.py WEIR [SECONDS [LOAD]]

A bulk TCP stream whose bytes are checked, short connections, counted datagrams and echo requests pass, translated; rules are
replaced, sets filled and flushed, everything listed, connections deleted. At the end the counters of rules and connections must
be those of both ends, the daemon must hold no more memory than it did after a third of the time (a tenth and 4 MiB are allowed:
its table of connections grows with their number), and what is over must be forgotten. LOAD is how much of 20 MiB/s,
5,000 datagrams and some 200 connections a second there is, and of five changes. Prints figures every minute, and ends with 1 if
anything is wrong.
"""

import random
import re
import sys
import time

from net import BULK_CLIENT, BULK_SERVER, COUNTED_CLIENT, COUNTED_SERVER, SERVER, SHORT_CLIENT, SHORT_SERVER, Net

RULES = """
table inet f {
    set seen { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 2s; size 65535; }
    set big { type ipv4_addr; flags interval; auto-merge; }
    counter datagrams { }
    counter echoes { }
    chain forward {
        type filter hook forward priority filter; policy drop;
        udp dport 7002 counter name datagrams
        icmp type echo-request counter name echoes
        tcp dport 7001 ct state new update @seen { ip saddr . tcp sport }
        jump change
        ct state established,related accept
        iifname "lan0" accept
    }
    chain change { }
}
table ip n { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade } }
"""


def change(net, random):
    """One thing that an administrator may do."""
    addresses = ", ".join(f"10.{random.randrange(256)}.{random.randrange(256)}.0/24" for _ in range(2000))
    text = random.choice([
        "flush chain inet f change\n" + "".join(f"add rule inet f change ip daddr 10.0.{n}.1 drop\n" for n in range(200)),
        f"flush set inet f big\nadd element inet f big {{ {addresses} }}\n",
        "add table ip o\nadd chain ip o c { type filter hook input priority 0; }\nadd rule ip o c counter\ndelete table ip o\n",
        "add rule inet f change ip saddr @big drop\n",
        "reset counter inet f nothing\n",
    ])
    if text.startswith("reset"):
        net.nft("list", "ruleset")
        net.nft("-j", "list", "set", "inet", "f", "big")
        net.conntrack("-L")
    else:
        net.nft("-f", "-", text=text)


def counter(net, name):
    return int(re.search(r"packets (\d+)", net.nft("list", "counter", "inet", "f", name)).group(1))


def main():
    weir = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3600.0
    load = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    wrong = []
    with Net(weir, RULES) as net:
        servers = [net.python("server", script) for script in (SHORT_SERVER, COUNTED_SERVER, BULK_SERVER)]
        assert all(server.stdout.readline() == "ready\n" for server in servers)
        short = net.python("client", SHORT_CLIENT, SERVER, "4", "0", str(0.01 / load))
        counted = net.python("client", COUNTED_CLIENT, SERVER, str(0.001 / load))
        bulk = net.python("client", BULK_CLIENT, SERVER, str(int(load * (20 << 20))))
        echoes = net.spawn("client", ["ping", "-q", "-i", str(0.1 / load), "-w", str(int(seconds)), SERVER], stdout=-1, text=True)
        chance, begun, told = random.Random(1), time.time(), 0
        warm, changes = None, 0
        while (passed := time.time() - begun) < seconds:
            change(net, chance)
            changes += 1
            if warm is None and passed > seconds / 3:
                warm = net.memory()
            if passed // 60 > told:
                told = passed // 60
                flows = net.conntrack("-C").strip()
                print(f"{passed:5.0f} s: {changes} changes, {flows} connections, {net.memory() >> 10} KiB", flush=True)
            time.sleep(0.2 / load)
        for child in (short, counted, bulk):
            child.terminate()
        done, bad, why = short.communicate(timeout=120)[0].strip().split(" ", 2)
        sent, came = int(counted.communicate()[0]), int(servers[1].communicate(timeout=60)[0])
        of_rule = counter(net, "datagrams")
        streamed = bulk.communicate()[0].strip(), servers[2].communicate(timeout=60)[0].strip()
        asked, answered = map(int, re.findall(r"(\d+) (?:packets transmitted|received)", echoes.communicate()[0]))
        line = next(line for line in net.conntrack("-L", "-p", "udp").splitlines() if "dport=7002" in line)
        of_connection = int(re.search(r"packets=(\d+)", line).group(1))
        print(f"short connections: {done}, of which {bad} failed {why}")
        print(f"datagrams: {sent} sent, {came} received, {of_rule - 20} by the rule, {of_connection - 20} by the connection")
        print(f"bytes of the stream: {streamed[0]} sent, {streamed[1]} received")
        print(f"echoes: {asked} sent, {answered} answered, {counter(net, 'echoes')} by the rule")
        # The twenty that say the end have the others' length.
        wrong += ["short connections failed"] * (bad != "0")
        wrong += ["datagrams were lost or miscounted"] * (len({sent, came, of_rule - 20, of_connection - 20}) != 1)
        wrong += ["the stream was cut"] * (streamed[0] != streamed[1])
        # The last may have been under way.
        wrong += ["echoes were lost"] * (asked - answered > 1 or counter(net, "echoes") != asked)
        end = time.time() + 30
        while "elements" in net.nft("list", "set", "inet", "f", "seen") and time.time() < end:
            time.sleep(0.5)
        wrong += ["a set keeps what is over"] * (time.time() >= end)
        memory = net.memory()
        print(f"memory: {warm >> 10} KiB after a third of the time, {memory >> 10} KiB at the end; {changes} changes")
        wrong += ["memory grew"] * (memory > warm * 1.1 + (4 << 20))
    for what in wrong:
        print("WRONG:", what)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
