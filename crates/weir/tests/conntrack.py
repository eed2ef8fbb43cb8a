"""Runs stock conntrack and ours on the same connections and prints where they differ.

    usage: conntrack.py OURS

The connections are made in a network namespace of their own (this script must be started in one) by packets and by both
programs. Standard output, standard error and exit code must be the same; the program's name in messages is not compared.
What lies in the seconds between two runs (timeouts, ages) is the only thing that is masked.
"""
import difflib, os, re, signal, socket, subprocess, sys, tempfile, time

OURS = sys.argv[1]
NAMES = re.compile(r"conntrack v1\.4\.7 \((?:conntrack-tools|ironweir [0-9.]+)\)")
compared, failures = 0, []


def run(program, line, text=None):
    words = line.split() if isinstance(line, str) else line
    done = subprocess.run([program, *words], capture_output=True, text=True, input=text, timeout=20)
    return done.stdout, NAMES.sub("NAME", done.stderr), done.returncode


def mask(text):
    text = re.sub(r"\[(start|stop)=[^]]*\]", r"[\1]", text)
    text = re.sub(r"delta-time=\d+", "delta-time=N", text)
    text = re.sub(r"<deltatime>\d+", "<deltatime>N", text)
    text = re.sub(r"^((?:ipv\d +\d+ )?\S+ +\d+) \d+ ", r"\1 T ", text, flags=re.M)
    text = re.sub(r"^\d+ proto=", "T proto=", text, flags=re.M)
    text = re.sub(r"<timeout>\d+", "<timeout>T", text)
    text = re.sub(r"-t \d+", "-t T", text)
    return text


def settled(what):
    """Orders a listing: the kernel's order depends on when it is asked."""
    return "\n".join(sorted(mask(what).split("\n")))


def compare(line, stock=None, ours=None, order=settled):
    global compared
    compared += 1
    stock = stock or run("conntrack", line)
    ours = ours or run(OURS, line)
    for name, one, other in zip(("stdout", "stderr", "exit code"), stock, ours):
        if name == "stdout":
            one, other = order(one), order(other)
        if one != other:
            differs(line, name, str(one), str(other))
            return


def differs(line, what, one, other):
    """Notes a difference: the lines that only one of them has."""
    lines = difflib.unified_diff(one.split("\n"), other.split("\n"), "stock", "ours", lineterm="", n=0)
    text = "\n  ".join(line for line in list(lines)[2:14] if not line.startswith("@@"))
    failures.append(f"{line}: {what}\n  {text}")


def quiet(*words):
    subprocess.run(words, check=True, capture_output=True)


def stock(line):
    done = run("conntrack", line)
    if done[2]:
        sys.exit(f"stock conntrack cannot: {line}: {done}")


# Labels need names, in a file under /etc: one that only this namespace sees.
folder = tempfile.mkdtemp()
quiet("mount", "-t", "tmpfs", "tmpfs", folder)
for name in ("upper/xtables", "work"):
    os.makedirs(f"{folder}/{name}")
with open(f"{folder}/upper/xtables/connlabel.conf", "w") as file:
    file.write("0 zero\n1 one\n2\ttwo\n64 far\n127 last\n")
quiet("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/etc,upperdir={folder}/upper,workdir={folder}/work", "/etc")
for switch in ("acct", "timestamp", "events"):
    with open(f"/proc/sys/net/netfilter/nf_conntrack_{switch}", "w") as file:
        file.write("1")
quiet("ip", "link", "set", "lo", "up")
RULES = """table inet t {
    ct helper ftp { type "ftp" protocol tcp; }
    chain o { type filter hook output priority 0; tcp dport 21 ct helper set "ftp"; ct label set 1; }
    chain n { type nat hook output priority -100; ip daddr 127.0.0.1 tcp dport 80 redirect to :21; }
    chain i { type filter hook input priority 0; ct state established ct mark set 5; }
}
"""
subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)

# Real packets: an FTP session with its helper, a datagram without answer, both families.
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 21))
listener.listen()
client = socket.create_connection(("127.0.0.1", 21))
server, _ = listener.accept()
server.send(b"220 ready\r\n")
client.recv(20)
redirected = socket.create_connection(("127.0.0.1", 80))
listener.accept()[0].close()
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.connect((address, 9))
        sender.send(b"x")

PAIR = "-t 1000 -s 1.1.1.1 -d 1.1.1.2"
PAIR6 = "-t 1000 -s fd00::1 -d fd00::2"
MADE = [
    f"{PAIR} -p tcp --sport 1 --dport 2 --state ESTABLISHED -u SEEN_REPLY,ASSURED -m 77 --label-add one,far",
    f"{PAIR} -p tcp --sport 1 --dport 3 --state SYN_SENT -u UNSET",
    f"{PAIR} -p udp --sport 1 --dport 2 -w 3 --label-add two",
    f"{PAIR} -p udp --sport 1 --dport 3 --orig-zone 3",
    f"{PAIR} -p udp --sport 1 --dport 4 --reply-zone 3",
    f"{PAIR} -p udp --sport 1 --dport 5 -n 5.5.5.5 -u ASSURED",
    f"{PAIR} -p udp --sport 1 --dport 6 -g 5.5.5.5:99 -u FIXED_TIMEOUT",
    f"{PAIR} -p udp --sport 1 --dport 7 -g 5.5.5.5:99 -n 6.6.6.6:1000",
    f"{PAIR} -p udp --sport 1 --dport 8 -n",
    f"{PAIR} -p udp --sport 1 --dport 10 --reply-port-src 9 -m 0x10/0xff",
    "-t 1000 -r 1.1.1.2 -q 1.1.1.1 -p udp --reply-port-src 11 --reply-port-dst 1",
    f"{PAIR} -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77",
    f"{PAIR} -p icmp --icmp-type 13 --icmp-code 0",
    f"{PAIR} -p sctp --sport 1 --dport 2 --state COOKIE_WAIT --orig-vtag 5 --reply-vtag 6",
    f"{PAIR} -p gre --srckey 0x10 --dstkey 17",
    f"{PAIR} -p udplite --sport 1 --dport 2",
    f"{PAIR} -p dccp --sport 1 --dport 2 --state OPEN --role client",
    f"{PAIR} -p 50",
    f"{PAIR} -p esp -w 9",
    f"{PAIR6} -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 5",
    f"{PAIR6} -p udp --sport 5 --dport 6 -m 5 -n fd00::9",
    f"{PAIR6} -p udp --sport 5 --dport 7 -g [fd00::9]:70",
    f"{PAIR6} -p tcp --sport 5 --dport 7 --state TIME_WAIT -u SEEN_REPLY",
    "-A -t 98 -u ASSURED -s 1.1.2.1 -d 1.1.2.2 -r 1.1.2.2 -n 5.5.5.5 -p udp --sport 1 --dport 5 --reply-port-src 5 --reply-port-dst 1",
    "-A -t 98 -u FIXED_TIMEOUT -s 1.1.2.1 -d 1.1.2.2 -g 5.5.5.5 -q 1.1.2.1 -p udp --sport 1 --dport 6 --reply-port-src 99 --reply-port-dst 1",
    "-A -t 98 -u UNSET -s 1.1.2.1 -d 1.1.2.2 -r 1.1.2.2 -q 1.1.2.1 -p udp --sport 1 --dport 16 --reply-port-src 16 --reply-port-dst 1",
]


# Without the sessions above: an acknowledgement that comes late brings back a connection that was flushed.
def listing():
    stock = run("conntrack", "-L -o extended,labels")[0]
    made = "".join(line for line in stock.splitlines(True) if "src=127.0.0.1" not in line)
    return settled(re.sub(r"use=\d+", "", made))


# What is made: the same connections by either program, as stock lists them.
lines = [line if line.startswith("-A") else f"-I {line}" for line in MADE]
made = []
for line in lines:
    results = []
    for program in ("conntrack", OURS):
        quiet("conntrack", "-F")
        results.append((listing(), *run(program, line)[1:]))
    compared += 1
    if results[0] != results[1]:
        differs(line, "makes", str(results[0]), str(results[1]))
    before = listing()
    for program in ("conntrack", OURS):
        quiet("conntrack", "-F")
        run(program, line)
        made.append(listing())
    if made[-1] != made[-2]:
        differs(line, "makes", made[-2], made[-1])
    # And once more: it exists.
    compare(line)

quiet("conntrack", "-F")
client.send(b"again\r\n")
server.recv(20)
for line in lines:
    stock(line)
redirected = socket.create_connection(("127.0.0.1", 80))
held = listener.accept()

# Stock writes SCTP's states with TCP's names in XML.
states = lambda text: settled(text.replace("<state>COOKIE_WAIT<", "<state>SYN_RECV<"))
FORMS = ["", "-o extended", "-o id", "-o ktimestamp,labels", "-o extended,id,labels,ktimestamp", "-o xml", "-o save",
         "-o xml,labels,ktimestamp", "-o timestamp", "-o userspace", "-o ext", "-o id -o labels", "-o save,id"]
FILTERS = [
    "-f ipv4", "-f ipv6", "-p tcp", "-p udp", "-p TCP", "-p 50", "-p icmp", "-p icmpv6", "-p sctp", "-p gre", "-p 17",
    "-s 1.1.1.1", "-d 1.1.1.2", "-r 1.1.1.2", "-q 1.1.1.1", "-q 5.5.5.5", "-s 1.1.0.0/16", "-s 0.0.0.0/0",
    "-d 1.1.1.7 --mask-dst 255.255.255.0", "-s 1.1.1.7 --mask-src 255.255.255.0", "-s fd00::/64", "-s fd00::1",
    "-p tcp --sport 1", "-p tcp --dport 2", "-p tcp --dport 2 -s 1.1.1.1", "-p tcp --reply-port-src 2",
    "-p tcp --reply-port-dst 1 -r 1.1.1.2", "-p tcp --state ESTABLISHED", "-p tcp --state NONE", "-p tcp --state LISTEN",
    "-p sctp --state COOKIE_WAIT", "-p sctp --state CLOSED", "-p gre --srckey 0x10", "-p gre --dstkey 17",
    "-p icmp --icmp-type 8", "-p icmp --icmp-id 77", "-p icmp --icmp-code 0", "-p icmpv6 --icmpv6-type 128",
    "-p udp --orig-port-dst 5", "-p udp --orig-port-src 5 -f ipv6",
    "-m 77", "-m 0x4d", "-m 5/7", "-m 0/1", "-m 13/15", "-m 1", "-u ASSURED", "-u assured", "-u SEEN_REPLY",
    "-u SEEN_REPLY,ASSURED", "-u UNSET", "-u FIXED_TIMEOUT", "-u SRC_NAT", "-w 3", "-w 0", "-w 4", "--orig-zone 3",
    "--reply-zone 3", "--orig-zone 0", "-l one", "-l one,far", "-l one,zero", "-l two -l one", "-n", "-g", "-j",
    "-n 5.5.5.5", "-g 5.5.5.5", "-j 5.5.5.5", "-g 5.5.5.5:99", "-g 5.5.5.5:98", "-n 1.1.1.1", "-j 6.6.6.6:1000", "-g 127.0.0.1", "-g 127.0.0.1:21", "-j 127.0.0.1", "--src-nat", "-n fd00::9", "-g [fd00::9]:70", "-c 5", "-a 1.1.1.1",
    "-s 1.1.1.1 -s 1.1.2.1", "-p tcp -p udp", "-L", "-Lx", "-- foo", "conntrack", "conn", "c", "conntrack foo", "dying",
    "unconfirmed", "dying -s 1.1.1.1", "--dpo 2", "-p tcp --dpo 2", "-z -f ipv6",
]
for form in FORMS:
    compare(f"-L {form}", order=states)
    compare(f"-L -p udp {form}")
for limit in FILTERS:
    compare(f"-L {limit}")
compare("--dump -p tcp")
compare("--dump=expect")
compare("-C")

KEYS = [
    "-p tcp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 2", "-p udp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 5",
    "-p icmp -s 1.1.1.1 -d 1.1.1.2 --icmp-type 8 --icmp-code 0 --icmp-id 77", "-p 50 -s 1.1.1.1 -d 1.1.1.2",
    "-p gre -s 1.1.1.1 -d 1.1.1.2 --srckey 16 --dstkey 17", "-p udp -s fd00::1 -d fd00::2 --sport 5 --dport 6",
    "-p icmpv6 -s fd00::1 -d fd00::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 5",
    "-p tcp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 999",
]
# Stock leaves the document open.
closed = lambda text: settled(text.replace("</conntrack>\n", ""))
for key in KEYS:
    compare(f"-G {key}")
    compare(f"-G {key} -o extended,id")
    compare(f"-G {key} -o xml", order=closed)
    compare(f"-G {key} -o save")

# Wrong command lines.
WRONG = [
    "-L -L", "-L -D", "-V -L", "-C -C", "-L foo", "-S foo", "-L -p foo", "-L -p 300", "-L -p", "-L -f foo", "-L -f IPV6",
    "-L -f ipv6 -s 1.1.1.1", "-L -s fd00::1 -d 1.1.1.1", "-L -u foo", "-L -u ASSURED,foo", "-L -u ASSUREDX", "-L -o foo",
    "-L -o id,", "-L -u ,", "-L -u foo,ASSURED", "-p tcp", "-a x -p tcp", "-L -a x --frob", "-L -n -j", "-L -j -g", "-L -d fe80::1 --mask-dst 255.0.0.0",
    "-G -G foo", "-L -f ipv6 --mask-src 255.0.0.0", "-U -j -n", "-E -e foo", "-L --frob", "-L --frob=1", "-L -k", "-L -s", "-L --src", "-L -s 300.1.1.1",
    "-L -s 1.1.1.0/33", "-L -s 1.1.1.1/x", "-L -s 1.1.1.0/255.255.255.0", "-L -s localhost", "-L -r 1.1.1.0/24",
    "-L -s 1.1.1.1 --mask-src 1.1.1.7/24", "-L --mask-src 255.0.0.0", "-U --mask-dst 255.0.0.0", "-t 5", "-s 1.1.1.1",
    "-b 5", "-L -b 5", "-L -t 5", "-L -i 5", "-L -e NEW", "-L --reply", "-L --sr 1.1.1.1", "-L --zero=1", "-L --sport 1",
    "-L -p udp --state NONE", "-L -p tcp --state foo", "-L -p tcp --sport", "-L -p tcp --mask-port-src 1",
    "-L -p dccp --role foo", "-L -p dccp --state foo", "-L -l nope", "-U -p udp --label-add one,nope", "-L -z -p udp", "-L -z -m 5",
    "-L -z -s 1.1.1.1", "-L -z -l one", "-L -a",
    "-I", "-A", "-I -p tcp", "-I -p tcp -t 5", "-I -p tcp -t 5 -s 1.1.1.1", "-I -p tcp -t 5 -r 1.1.1.1", "-I -f ipv4 -p udp -t 5",
    f"-I {PAIR} -p tcp", f"-I {PAIR} -p udp", f"-I {PAIR} -p udp --sport 1", f"-I {PAIR} -p udp --reply-port-src 1",
    f"-I {PAIR} -p icmp", f"-I {PAIR} -p icmp --icmp-type 8", f"-I {PAIR} -p icmpv6", f"-I {PAIR} -p sctp",
    f"-I {PAIR} -p sctp --sport 1 --dport 2 --state CLOSED", f"-I {PAIR} -p dccp", f"-I {PAIR} -p gre", f"-I {PAIR} -p 47",
    f"-I {PAIR} -p gre --reply-key-src 1", f"-I {PAIR} -p unknown", f"-I {PAIR} -p tcp --sport 1 --dport 2",
    f"-I {PAIR} -p udp --sport 1 --dport 2 -g 1.1.1.7:", f"-I {PAIR} -p udp --sport 1 --dport 2 -g 1.1.1.7:x",
    f"-I {PAIR} -p udp --sport 1 --dport 2 -g 1.1.1.7:70000", f"-I {PAIR} -p udp --sport 1 --dport 2 -g fd00::1",
    f"-I {PAIR} -p udp --sport 1 --dport 2 -r fd00::1", f"-I {PAIR} -p udp --sport 1 --dport 2 -n 1.1.1.1-1.1.1.5",
    f"-I {PAIR} -p udp --sport 1 --dport 99 -u EXPECTED", f"-I {PAIR} -p icmp --icmp-type 3 --icmp-code 0",
    f"-I {PAIR} -p udp --sport 1 --dport 2 --label-del one", f"-I {PAIR} -p udp --sport 1 --dport 2 -z",
    f"-I {PAIR} -p udp --sport 1 --dport 2 -l one", "-G", "-G -p tcp", "-G -p tcp -s 1.1.1.1", "-G -p tcp -s 1.1.1.1 -d 1.1.1.2",
    "-G -p tcp -r 1.1.1.1", "-G -p udp -s 1.1.1.1 -d 1.1.1.2 --reply-port-dst 1", "-G -p icmp -s 1.1.1.1 -d 1.1.1.2",
    "-G -p tcp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 2 -w 4", "-G -p tcp -s 1.1.1.1 -d 1.1.1.2 -t 4",
    "-U -m 5 --label-add one --label-del one", "-U -w 3", "-U -z", "-U -t", "-U -c 1", "-U -j", "-D -p udp -m 99", "-D -z", "-D -c 4", "-D --label-add one",
    "-F -s 1.1.1.1", "-F -p tcp", "-C -f ipv4", "-S -f ipv4", "-E -u ASSURED", "-E -z", "-E -t 4", "-E --tuple-src 1.1.1.1", "-V -s 1.1.1.1",
    "-h -s 1.1.1.1", "-C dying", "-D dying", "-F dying", "-E dying", "-G dying", "-I dying", "-U dying", "-S dying",
    "-C unconfirmed", "-E unconfirmed", "-U expect", "-A expect", "-L expect -s 1.1.1.1", "-F expect -s 1.1.1.1",
    "-I expect", "-I expect -p tcp", "-I expect -p tcp -s 1.1.1.1 -d 1.1.1.2", "-D expect", "-D expect -p tcp", "-G expect", "-G expect -p tcp -s 1.1.1.1 -d 1.1.1.2",
    "-I expect -p tcp -s 1.1.1.1 -d 1.1.1.2 -t 5", "-I expect -p tcp -s 1.1.1.1 -d 1.1.1.2 -t 5 --tuple-src 1.1.1.1",
    "-I expect -p tcp -s 1.1.1.1 -d 1.1.1.2 -t 5 --tuple-src 1.1.1.1 --tuple-dst 1.1.1.2",
    "-I expect -p tcp -s 1.1.1.1 -d 1.1.1.2 -t 5 --sport 1 --dport 2 --tuple-src 1.1.1.1 --tuple-dst 1.1.1.2",
    "-G expect -p tcp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 2", "-D expect -p gre -s 1.1.1.1 -d 1.1.1.2",
    "-D expect -p tcp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 2 --reply-port-src 3 --reply-port-dst 4",
    "-G expect -p tcp -s 1.1.1.1 -d 1.1.1.2 --sport 1 --dport 2 --reply-port-src 3 --reply-port-dst 4",
    "-I expect -p tcp -s 1.1.1.1 -d 1.1.1.2 -t 5 --sport 1 --dport 2 --tuple-src 1.1.1.1 --tuple-dst 1.1.1.2"
    " --mask-port-src 0 --mask-port-dst 65535 --tuple-port-src 0 --tuple-port-dst 5000",
    "-R /nonexistent",
]
for line in WRONG:
    compare(line)
# Stock names the file of its own library first.
for line in ["-L -l nope"]:
    compare(line, order=lambda text: text)

# Changes: the same state before each program, and what stock lists behind it.
CHANGES = [
    "-U -s 1.1.1.1 -p udp --dport 5 -m 7/3", "-U -f ipv4 -p tcp --dport 2 -m 0xf0/0xf", "-U -f ipv4 -p tcp --dport 2 -m 8/8",
    "-U -f ipv4 -p udp --dport 11 -t 77", "-U -f ipv4 -p udp --dport 4 -m 5", "-U -f ipv4 -p udp --dport 10 -m 5 -t 70",
    "-U -f ipv4 -p tcp --dport 3 --state ESTABLISHED", "-U -f ipv4 -p udp --dport 11 -u ASSURED", "-U -f ipv4 -p tcp --dport 3 -u SEEN_REPLY",
    "-U -f ipv4 -p udp -u UNSET", "-U -f ipv4 -p tcp -l one --label-add two", "-U -f ipv4 -p tcp -l one --label-del one",
    "-U -f ipv4 -p tcp --dport 2 --label-del", "-U -f ipv4 -p udp --dport 4711 -m 1", "-U -f ipv6 -p tcp -m 9",
    "-U -f ipv4 -g -n -m 3", "-U -f ipv4 -i 5 -m 3", "-U -f ipv4 -p udp --dport 8 -m 3 -o extended", "-U -f ipv4 -p udp --dport 8 -m 3 -o save",
    "-D -p udp", "-D -p tcp --dport 2", "-D -m 77", "-D -w 3", "-D -s 1.1.0.0/16", "-D -f ipv6", "-D -l one", "-D -n", "-D -g 5.5.5.5",
    "-D -u ASSURED", "-D -p tcp --state SYN_SENT", "-D --orig-zone 3", "-D -p udp --dport 4711", "-D -p udp -o save",
    "-D", "-F", "-F conntrack", "-F -f ipv6",
]
# Of several connections that it updates, stock shows only some; and it cannot update those in a zone.
MANY = ["-U -f ipv6 -m 9", "-U -f ipv4 -p tcp -u SEEN_REPLY", "-U -f ipv4 -n -m 3", "-U -s 1.1.2.1 -p udp -m 5"]
for line in CHANGES + MANY:
    results = []
    for program in ("conntrack", OURS):
        quiet("conntrack", "-F")
        for entry in lines:
            stock(entry)
        out, err, code = run(program, line)
        out = "" if line in MANY else settled(re.sub(r"<id>\d+", "", out))
        results.append((out, err, code, listing()))
    compared += 1
    for name, one, other in zip(("stdout", "stderr", "exit code", "what is left"), *results):
        if one != other:
            differs(line, name, str(one), str(other))
            break

# Expectations of the FTP session: ours are made, stock lists; stock's protocol of one is whatever lay in memory.
quiet("conntrack", "-F")
client.send(b"again\r\n")
server.recv(20)
client.close()
client = socket.create_connection(("127.0.0.1", 21))
server, _ = listener.accept()
server.send(b"220 ready\r\n")
client.recv(20)
port = client.getsockname()[1]
EXPECT = (f"-I expect -p tcp -s 127.0.0.1 -d 127.0.0.1 --sport {port} --dport 21 -t 50 --tuple-src 127.0.0.1 --tuple-dst"
          " 127.0.0.1 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --tuple-port-src 0 --tuple-port-dst 5000 --mask-port-src 0 --mask-port-dst 65535")
done = run(OURS, EXPECT)
if done != ("", "", 0):
    failures.append(f"{EXPECT}: {done}")
for line in ["-L expect", "-L expect -o xml", "-L expect -o id", "-L expect -o extended", "-L expect -o save", "-L expect -f ipv6", "-C expect", "-L e", "-L expect -f ipv4"]:
    compare(line)
KEY = "-p tcp -s 127.0.0.1 -d 127.0.0.1 --sport 0 --dport 5000 --reply-port-src 1 --reply-port-dst 2"
compare(f"-G expect {KEY}")
compare(f"{EXPECT}")
compare(f"-D expect {KEY}", stock=("", "NAME: 1 expectations have been deleted.\n", 0))
compare("-L expect")
compare("-F expect")

# What either saves, ours loads. (Stock loses translated ports; neither saves marks and labels, nor what is known of DCCP.)
strip = lambda text: re.sub(r" +", " ", re.sub(r"mark=\d+|labels=\S+|\[\w+\] ", "", text)).replace(" \n", "\n")
for program in ("conntrack", OURS):
    quiet("conntrack", "-F")
    for line in lines:
        if "dccp" not in line:
            stock(line)
    before = listing()
    saved = run(program, "-L -o save")[0]
    quiet("conntrack", "-F")
    done = run(OURS, "-R -", text=saved)
    compared += 1
    if strip(listing()) != strip(before) or done != ("", "", 0):
        differs(f"-R of what {program} saved", str(done), strip(before), strip(listing()))

# Events: both listen, packets and requests happen.
for form in ["", "-o extended,id,labels", "-o xml", "-o save", "-e NEW", "-e DESTROY,UPD", "-p udp", "-o ktimestamp", "-w 3", "-b 100000", "expect"]:
    listeners = [
        subprocess.Popen([program, "-E", *form.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for program in ("conntrack", OURS)
    ]
    time.sleep(0.4)
    for line in ["-F", "-F expect"] + lines[:8]:
        run("conntrack", line)
    run("conntrack", "-U -f ipv4 -p tcp -m 6")
    with socket.create_connection(("127.0.0.1", 21)) as short:
        accepted, _ = listener.accept()
        inner = short.getsockname()[1]
        accepted.send(b"x")
        short.recv(5)
        run(OURS, EXPECT.replace(f"--sport {port}", f"--sport {inner}"))
        accepted.close()
    run("conntrack", "-D -p udp")
    time.sleep(0.4)
    outs = []
    for one in listeners:
        one.terminate()
        out, err = one.communicate(timeout=10)
        outs.append((re.sub(r"portid=\d+( progname=\S+)?", "portid", mask(out)), NAMES.sub("NAME", err), one.returncode))
    compared += 1
    if outs[0] != outs[1]:
        differing = [pair for pair in zip(outs[0][0].split("\n"), outs[1][0].split("\n")) if pair[0] != pair[1]][:3]
        failures.append(f"-E {form}: {differing} {[out[1:] for out in outs]}")

# Without privilege.
def nobody(program, line):
    done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all", program, *line.split()],
                          capture_output=True, text=True)
    return done.stdout, NAMES.sub("NAME", done.stderr), done.returncode


for line in ["-L", f"-I {PAIR} -p udp --sport 1 --dport 2", "-D -p udp", "-U -s 1.1.1.1 -m 4", "-L expect"]:
    compare(line, stock=nobody("conntrack", line), ours=nobody(OURS, line))

# A listener that does not read: what is lost is told, and listening goes on.
slow = subprocess.Popen([OURS, "-E", "-b", "4096"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
time.sleep(0.4)
slow.send_signal(signal.SIGSTOP)
run(OURS, "-R -", text="".join(f"-A {PAIR} -p udp --sport 7 --dport {port}\n" for port in range(1000, 3000)))
slow.send_signal(signal.SIGCONT)
time.sleep(0.4)
run(OURS, f"-I {PAIR} -p udp --sport 8 --dport 4242")
time.sleep(0.4)
slow.terminate()
out, err = slow.communicate(timeout=10)
compared += 1
if "WARNING: We have hit ENOBUFS! We are losing events." not in err or "dport=4242" not in out:
    failures.append(f"lost events are not told: {err}")

quiet("umount", "-l", folder)
os.rmdir(folder)
for failure in failures:
    print(f"DIFFERS {failure}", file=sys.stderr)
print(f"{compared} comparisons, {len(failures)} differences")
sys.exit(bool(failures))
