"""A WebSocket server (RFC 6455) in one file: sends every text message back with its Host header in front; runs in a sandbox."""

import base64
import hashlib
import socketserver
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(socketserver.StreamRequestHandler):
    def frame(self):
        first, second = self.rfile.read(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(self.rfile.read(2), "big")
        elif length == 127:
            length = int.from_bytes(self.rfile.read(8), "big")
        mask = self.rfile.read(4)
        data = self.rfile.read(length)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def send(self, opcode, data):
        length = len(data)
        if length < 126:
            head = bytes([length])
        elif length < 65536:
            head = b"\x7e" + length.to_bytes(2, "big")
        else:
            head = b"\x7f" + length.to_bytes(8, "big")
        self.wfile.write(bytes([0x80 | opcode]) + head + data)

    def handle(self):
        headers = {}
        while (line := self.rfile.readline().strip()):
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + GUID).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while True:
            opcode, data = self.frame()
            if opcode == 8:
                self.send(8, data)
                return
            if opcode in (1, 2):
                self.send(opcode, headers[b"host"] + b" " + data if opcode == 1 else data)


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.request_queue_size = 128
socketserver.ThreadingTCPServer((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()
