"""The world: web servers and two resolvers, at the addresses given; until it is killed."""

import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        page = f"Hello, {self.client_address[0]}.\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        print(f"world: {self.server.server_address[0]}:{self.server.server_address[1]}"
              f" was asked by {self.client_address[0]}", flush=True)


class Server(HTTPServer):
    def server_bind(self):
        TCPServer.server_bind(self)  # HTTPServer looks its own name up, and nobody answers.
        self.server_name = self.server_address[0]
        self.server_port = self.server_address[1]


def resolve(address):
    """Whatever is asked for is at 198.51.100.80."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        question, whom = server.recvfrom(512)
        print(f"world: {address}:53 was asked by {whom[0]}", flush=True)
        answer = struct.pack(">HHHLH", 0xC00C, 1, 1, 60, 4) + bytes([198, 51, 100, 80])
        head = question[:2] + struct.pack(">HHHHH", 0x8580, 1, 1, 0, 0)
        end = question.index(0, 12) + 5
        server.sendto(head + question[12:end] + answer, whom)


for place in sys.argv[1:]:
    address, port = place.split(":")
    if port == "53":
        target, arguments = resolve, (address,)
    else:
        target, arguments = Server((address, int(port)), Page).serve_forever, ()
    threading.Thread(target=target, args=arguments, daemon=True).start()
print("world: there", flush=True)
threading.Event().wait()
