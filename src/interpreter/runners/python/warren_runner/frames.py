"""The socket to the agent, in frames (src/interpreter/frame.h)."""

import collections
import errno
import json
import os
import struct
import threading

from .pipes import Pipes

MAX_PAYLOAD = 64 * 1024 * 1024
MAX_TEXT = 64 * 1024
READ_SIZE = 64 * 1024
HEADER = struct.Struct("<IB3x")

# From the agent.
INIT = ord("I")
EXECUTE = ord("X")
ASSIGN = ord("A")
RENEW = ord("N")
# To the agent.
READY = ord("R")
COUNT = ord("C")
STDOUT = ord("o")
STDERR = ord("e")
LINE = ord("L")
DONE = ord("D")
RENEWED = ord("n")


def dump(value):
    """One line of ASCII-only JSON."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


class Channel:
    """Frames out and in. Any thread may send; only the main thread receives.

    A signal handler of user code (an alarm, KeyboardInterrupt) can raise between any two steps of the interpreter. So
    what was written and what was read is kept by calls that do both in one step, extend(map(...)), and a frame that
    was cut is continued by the next call.

    Before connect() frames are dropped. `orphaned` is true in processes that user code forked: they have no agent.
    """

    def __init__(self):
        self.fd = -1
        self.orphaned = False
        self.lock = threading.RLock()
        self._pipes = Pipes()
        self._queue = collections.deque()  # of (frame, [sizes of what was written of it])
        self._sending = False
        self._parts = []  # of what was read
        self._input = bytearray()

    def connect(self, fd):
        os.set_inheritable(fd, False)
        self._pipes.connect()
        self.fd = fd

    def abandon(self):
        """In a child that user code forked: the socket stays the parent's alone."""
        self.lock = threading.RLock()  # another thread of the parent may have held it
        self._queue.clear()
        self._sending = False
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
        self.orphaned = True

    def send(self, kind, payload):
        """`payload`: at most MAX_PAYLOAD bytes."""
        if self.fd >= 0:
            with self.lock:
                self.enqueue([], kind, payload)
                self.flush()

    def enqueue(self, mark, kind, payload):
        """The frame is to be sent by flush() if and only if `mark`, an empty list, is not empty any more."""
        frame = memoryview(HEADER.pack(len(payload), kind) + payload)
        mark.extend(map(self._queue.append, ((frame, []),)))

    def flush(self):
        with self.lock:
            if self._sending:
                return  # called by a signal handler or destructor: the call below it on the stack goes on
            self._sending = True
            try:
                self._pipes.settle()
                # A function of its own: the interpreter takes signals where a loop goes back, and does not count
                # that place as inside of `try`.
                self._write_queue()
            except (BrokenPipeError, ConnectionResetError):
                os._exit(1)  # the agent is gone, and with it everyone who could read this
            finally:
                self._sending = False

    def _write_queue(self):
        while self._queue:
            frame, written = self._queue[0]
            while (done := sum(written)) < len(frame):
                written.extend(map(os.write, (self.fd,), (frame[done:],)))
            self._queue.popleft()

    def receive(self):
        """The next frame -> (kind, payload), or None at the end."""
        while True:
            if self._parts:
                if not self._parts[-1]:
                    return None
                self._input += b"".join(self._parts)
                self._parts.clear()
            if len(self._input) >= HEADER.size:
                length, kind = HEADER.unpack_from(self._input)
                end = HEADER.size + length
                if length > MAX_PAYLOAD:
                    return None
                if len(self._input) >= end:
                    payload = bytes(self._input[HEADER.size : end])
                    del self._input[:end]
                    return kind, payload
            try:
                self._parts.extend(map(os.read, (self.fd,), (READ_SIZE,)))
            except OSError as error:
                if error.errno in (errno.ECONNRESET, errno.EBADF):
                    return None
                raise
