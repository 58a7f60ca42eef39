"""Runner of R cells: python3 -I main.py

R has no way to read a socket that it did not open, so this program reads frames (src/interpreter/frame.h) and drives one R
over pipes: main.R says what goes through them. What the cell prints goes straight to the pipes 1 and 2 of the agent.
"""

import base64
import json
import os
import secrets
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "shared"))

from child import Child  # noqa: E402
from context import Context, Ended  # noqa: E402

COMMANDS = 250
REPORTS = 251
FIELDS = {"text/plain": "text", "text/html": "html", "image/png": "png", "image/svg+xml": "svg", "image/jpeg": "jpeg"}
BINARY = {"image/png", "image/jpeg"}


def record(*texts):
    """A number of texts, each with its length."""
    parts = [struct.pack("<i", len(texts))]
    for text in texts:
        data = text.encode(errors="replace")
        parts += [struct.pack("<i", len(data)), data]
    return b"".join(parts)


def result(pairs):
    """The line of a result. R shows values where they come up, so none of them is the main result."""
    line = {"type": "result", "extra": {}, "is_main_result": False}
    for mime, content in zip(pairs[::2], pairs[1::2]):
        mime = mime.decode()
        line[FIELDS[mime]] = base64.b64encode(content).decode() if mime in BINARY else content.decode(errors="replace")
    return line


class R(Child):
    def __init__(self, env, cwd):
        # The user's own library and profile apply; a saved workspace does not.
        super().__init__(
            ["R", "--no-echo", "--no-save", "--no-restore", f"--file={HERE}/main.R"], env, cwd,
            lambda commands, reports: ((commands, COMMANDS), (reports, REPORTS)),
        )
        self.rest = b""

    def _read(self, size):
        while len(self.rest) < size:
            part = self.report()
            if not part:
                raise Ended
            self.rest += part
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def _receive(self):
        (count,) = struct.unpack("<i", self._read(4))
        return [self._read(struct.unpack("<i", self._read(4))[0]) for _ in range(count)]

    def renew(self, env):
        # A text of JSON is one of R, as long as its characters are not escaped.
        pairs = (f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False)}" for name, value in env.items())
        code = f"set.seed({secrets.randbelow(2**31)}L); Sys.setenv({', '.join(pairs)})"
        self.run(code, {}, True, lambda: None, lambda line: True)

    def run(self, code, env, silent, begin, emit):
        pairs = [text for pair in env.items() for text in pair]
        if not self.tell(record("silent" if silent else "", code, *pairs)):
            raise Ended
        error = None
        while True:
            kind, *fields = self._receive()
            if kind == b"ready":
                begin()
                self.tell(record())
            elif kind == b"done":
                return error
            elif kind == b"result":
                if not emit(result(fields)):
                    text = "the result is larger than 64 MiB"
                    error = {"name": "ValueError", "value": text, "traceback": f"ValueError: {text}"}
            else:
                error = dict(zip(("name", "value", "traceback"), (field.decode(errors="replace") for field in fields)))


if __name__ == "__main__":
    Context(R, "R").serve()
