"""A program in a terminal of its own: typed to, and looked at."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time


class Terminal:
    """`argv` with all standard streams on a terminal of 80 columns; `env` is its whole environment."""

    def __init__(self, argv, env, pixels=(0, 0)):
        self.output = ""
        self.seen = 0
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, *pixels))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self, seconds):
        """False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        with contextlib.suppress(OSError):
            data = os.read(self.fd, 65536)
            self.output += data.decode(errors="replace")
            return bool(data)
        return False

    def expect(self, text, seconds=60):
        """Waits until `text` appears behind what was expected before; returns what stood between."""
        end = time.monotonic() + seconds
        while text not in self.output[self.seen:]:
            assert time.monotonic() < end, f"no {text!r} in {self.output[self.seen:]!r}"
            assert self._read(0.1) or text in self.output[self.seen:], f"it ended without {text!r}: {self.output!r}"
        at = self.output.index(text, self.seen)
        before, self.seen = self.output[self.seen:at], at + len(text)
        return before

    def expect_match(self, pattern, seconds=60):
        """Waits until the pattern, which does not match a part of itself, matches behind what was expected before."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.output[self.seen:])):
            assert time.monotonic() < end, f"no {pattern!r} in {self.output[self.seen:]!r}"
            assert self._read(0.1), f"it ended without {pattern!r}: {self.output!r}"
        self.seen += found.end()

    def send(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.send(text + "\n")

    def finish(self, seconds=60):
        """Reads to the end -> exit status."""
        end = time.monotonic() + seconds
        while self._read(0.1):
            assert time.monotonic() < end, f"it does not end: {self.output!r}"
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status
