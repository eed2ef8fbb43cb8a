"""A network card that is a TAP device, and its cable a unix stream socket: cable.py SOCKET COMMAND...

As `-netdev stream` of QEMU: each frame behind its length, 4 bytes, big-endian. Runs COMMAND, and ends with it.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading

tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"eth0", 0x0002 | 0x1000))  # TUNSETIFF, IFF_TAP | IFF_NO_PI
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])


def out():
    while True:
        try:
            frame = os.read(tap, 1 << 16)
        except OSError:  # It is down still.
            continue
        stream.sendall(struct.pack(">I", len(frame)) + frame)


def back():
    file = stream.makefile("rb")
    while len(head := file.read(4)) == 4:
        frame = file.read(struct.unpack(">I", head)[0])
        try:
            os.write(tap, frame)
        except OSError:
            pass


for way in (out, back):
    threading.Thread(target=way, daemon=True).start()
subprocess.run(sys.argv[2:], check=False)
