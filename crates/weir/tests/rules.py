"""Prints every rule as nfnetlink tells it: chain, types of attributes, and the bytes of those that a rule is made of."""
import socket, struct

REQUEST, DUMP, DONE, GETRULE = 1, 0x300, 3, 0x0A07
EXPRESSIONS, COMPAT = 4, 5
# NFTA_RULE_HANDLE and NFTA_RULE_POSITION are the place, not the rule.
PLACE = (3, 6)

s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
s.send(struct.pack("=LHHLLBBH", 20, GETRULE, REQUEST | DUMP, 1, 0, 0, 0, 0))


def attributes(data):
    while len(data) >= 4:
        length, kind = struct.unpack("=HH", data[:4])
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]


def messages():
    while True:
        data = s.recv(1 << 20)
        while data:
            length, kind = struct.unpack("=LH", data[:6])
            if kind == DONE:
                return
            yield data[20:length]
            data = data[(length + 3) & ~3 :]


def plain(data):
    """Without NLA_F_NESTED, which Linux does not set here and a client may."""
    out = b""
    while len(data) >= 4:
        length, kind = struct.unpack("=HH", data[:4])
        value = plain(data[4:length]) if kind & 0x8000 else data[4:length]
        out += struct.pack("=HH", length, kind & 0x3FFF) + value + data[length : (length + 3) & ~3]
        data = data[(length + 3) & ~3 :]
    return out


def expressions(data):
    for _, expr in attributes(plain(data)):
        parts = dict(attributes(expr))
        # A counter that has counted nothing may say so or be silent.
        silent = parts[1] == b"counter\0" and not any(any(v) for _, v in attributes(parts[2]))
        yield parts[1].decode() if silent else expr.hex()


def shown(kind, value):
    return " ".join(expressions(value)) if kind == EXPRESSIONS else value.hex()


for message in messages():
    # The kernel never tells COMPAT.
    parts = [(k, shown(k, v)) for k, v in attributes(message) if k not in PLACE and k != COMPAT]
    print(*(f"{k}:{v}" for k, v in sorted(parts)))
