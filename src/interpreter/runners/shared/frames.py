"""Frames between the agent and a runner that is written in Python but runs cells of another language (frame.h)."""

import json
import os

HEADER = 8
MAX_PAYLOAD = 64 * 1024 * 1024


class Channel:
    def __init__(self, descriptor):
        os.set_inheritable(descriptor, False)
        self.descriptor = descriptor

    def send(self, kind, payload):
        data = memoryview(len(payload).to_bytes(4, "little") + kind.encode() + bytes(3) + payload)
        while data:
            data = data[os.write(self.descriptor, data):]

    def send_json(self, kind, value):
        """False if it is too long for a frame; nothing was sent then."""
        # DEL is ASCII, but not printable.
        payload = json.dumps(value).replace("\x7f", "\\u007f").encode()
        if len(payload) > MAX_PAYLOAD:
            return False
        self.send(kind, payload)
        return True

    def _read(self, size):
        data = bytearray()
        while len(data) < size:
            part = os.read(self.descriptor, size - len(data))
            if not part:
                return None
            data += part
        return bytes(data)

    def receive(self):
        """The next frame: its kind, and its JSON. None when the agent is gone."""
        header = self._read(HEADER)
        body = header and self._read(int.from_bytes(header[:4], "little"))
        return (chr(header[4]), json.loads(body)) if body else None
