"""A client and a server in network namespaces, and `weir run` as the router between them.

    client 192.168.1.2 -- lan0 [router: weir run] wan0 -- 198.51.100.2 server

Needs root, `ip` and veth devices. The namespaces go when the program ends.
"""

import os
import subprocess
import tempfile
import time

SERVER = "198.51.100.2"

HOST = """
[[interface]]
name = "lan0"
mac = "02:00:00:00:01:01"
addresses = ["192.168.1.1/24", "2001:db8:1::1/64"]
[[interface]]
name = "wan0"
mac = "02:00:00:00:02:01"
addresses = ["198.51.100.1/24", "2001:db8:2::1/64"]
"""


class Net:
    """The namespaces with the daemon; to be used in a `with`."""

    def __init__(self, weir, rules):
        self.weir = os.path.abspath(weir)
        self.rules = rules
        self.names = {which: f"iw-{which}-{os.getpid()}" for which in ("client", "router", "server")}
        self.children = []

    def __enter__(self):
        try:
            return self.begin()
        except BaseException:
            self.__exit__()
            raise

    def begin(self):
        """Makes the namespaces and starts the daemon."""
        self.directory = tempfile.TemporaryDirectory(prefix="weir-live-")
        self.socket = os.path.join(self.directory.name, "s")
        client, router, server = self.names.values()
        for name in self.names.values():
            ip(f"netns add {name}")
            ip(f"-n {name} link set lo up")
        for name, there, here, number in ((client, "c0", "lan0", 1), (server, "s0", "wan0", 2)):
            ip(f"link add {there} netns {name} address 02:00:00:00:0{number}:02 type veth "
               f"peer name {here} netns {router} address 02:00:00:00:0{number}:01")
            ip(f"-n {router} link set {here} up")
        for name, link, v4, v6 in ((client, "c0", "192.168.1", "2001:db8:1:"), (server, "s0", "198.51.100", "2001:db8:2:")):
            ip(f"-n {name} addr add {v4}.2/24 dev {link}")
            ip(f"-n {name} addr add {v6}:2/64 dev {link} nodad")
            ip(f"-n {name} link set {link} up")
            ip(f"-n {name} route add default via {v4}.1")
            ip(f"-n {name} -6 route add default via {v6}:1")
        self.file("host.toml", HOST)
        self.file("rules.nft", self.rules)
        config = self.file("weir.toml", f'socket = "{self.socket}"\nhost = "host.toml"\n'
                           'rules = "rules.nft"\ninterfaces = ["lan0", "wan0"]\n')
        self.daemon = self.spawn("router", [self.weir, "run", config])
        begun = time.time()
        while not os.path.exists(self.socket):
            assert self.daemon.poll() is None and time.time() - begun < 60, "the daemon does not listen"
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        self.directory.cleanup()

    def file(self, name, text):
        path = os.path.join(self.directory.name, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def spawn(self, where, words, **more):
        """Starts a program in a namespace."""
        child = subprocess.Popen(["ip", "netns", "exec", self.names[where], *words], **more)
        self.children.append(child)
        return child

    def python(self, where, script, *arguments):
        """Starts a Python program in a namespace, whose output can be read."""
        return self.spawn(where, ["python3", "-c", script, *arguments], stdout=subprocess.PIPE, text=True)

    def nft(self, *words, text=None):
        """Drives the daemon; what it prints."""
        run = subprocess.run([self.weir, "nft", "--engine", self.socket, *words], input=text, text=True, capture_output=True)
        assert run.returncode == 0, f"{words}: {run.stderr}"
        return run.stdout

    def conntrack(self, *words):
        run = subprocess.run([self.weir, "conntrack", "--engine", self.socket, *words], text=True, capture_output=True)
        assert run.returncode == 0, f"{words}: {run.stderr}"
        return run.stdout

    def daemon_pid(self):
        """The daemon's process: `ip netns exec` becomes it."""
        return self.daemon.pid

    def memory(self):
        """Bytes of memory the daemon holds (`VmRSS`)."""
        with open(f"/proc/{self.daemon_pid()}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def ip(words):
    run = subprocess.run(["ip", *words.split()], capture_output=True, text=True)
    assert run.returncode == 0, f"ip {words}: {run.stderr}"


# Answers each short connection with what it said, ten times.
SHORT_SERVER = """
import socket
s = socket.create_server(('', 7001), backlog=4096)
print('ready', flush=True)
while True:
    c, _ = s.accept()
    try:
        c.sendall(c.recv(100) * 10)
    except OSError:
        pass
    c.close()
"""

# Makes short connections: how many threads, how many each (0: until it is told to end), seconds between two. Prints how many
# there were, and what went wrong with how many.
SHORT_CLIENT = """
import signal, socket, sys, threading, time
threads, each, pause = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
bad, done, end = [], 0, threading.Event()
signal.signal(signal.SIGTERM, lambda *_: end.set())
lock = threading.Lock()
def run():
    global done
    n = 0
    while not end.is_set() and (each == 0 or n < each):
        n += 1
        try:
            with socket.create_connection((sys.argv[1], 7001), timeout=30) as c:
                c.sendall(b'y' * 10)
                got = 0
                while got < 100:
                    part = len(c.recv(1000))
                    if not part:
                        break
                    got += part
            if got != 100:
                bad.append(f'{got} bytes')
        except OSError as error:
            bad.append(repr(error))
        with lock:
            done += 1
        time.sleep(pause)
all = [threading.Thread(target=run) for _ in range(threads)]
[one.start() for one in all]
[one.join() for one in all]
print(done, len(bad), bad[:3], flush=True)
"""

# Counts datagrams until one of 24 bytes 0xff; prints how many.
COUNTED_SERVER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
s.bind(('', 7002))
print('ready', flush=True)
n = 0
while s.recv(100) != b'\\xff' * 24:
    n += 1
print(n, flush=True)
"""

# Sends datagrams of 24 bytes, five at a time with a pause between, until it is told to end; prints how many. Then it says so twenty
# times.
COUNTED_CLIENT = """
import signal, socket, sys, threading, time
end = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: end.set())
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 7002))
n = 0
while not end.is_set():
    for _ in range(5):
        s.send(n.to_bytes(4, 'big') + b'x' * 20)
        n += 1
    time.sleep(float(sys.argv[2]))
time.sleep(1)
for _ in range(20):
    s.send(b'\\xff' * 24)
print(n, flush=True)
"""

# Takes one connection, checks the bytes that come (0 to 250 again and again) and prints how many there were.
BULK_SERVER = """
import socket
s = socket.create_server(('', 7003))
print('ready', flush=True)
c, _ = s.accept()
pattern = bytes(range(251)) * 4200
n = 0
while data := c.recv(1 << 20):
    at = n % 251
    if data != pattern[at:at + len(data)]:
        print('wrong bytes behind', n, flush=True)
        raise SystemExit
    n += len(data)
print(n, flush=True)
"""

# Sends such bytes until it is told to end, at most so many a second; prints how many.
BULK_CLIENT = """
import signal, socket, sys, threading, time
end = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: end.set())
rate = int(sys.argv[2])
c = socket.create_connection((sys.argv[1], 7003))
block = bytes(range(251)) * 256
n, begun = 0, time.time()
while not end.is_set():
    c.sendall(block)
    n += len(block)
    ahead = n / rate - (time.time() - begun)
    if ahead > 0:
        time.sleep(ahead)
c.close()
print(n, flush=True)
"""
