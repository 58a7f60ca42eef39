"""sys.stdout and sys.stderr of user code: text goes to the agent in frames."""

import codecs
import io
import os
from time import monotonic  # user code may replace the attributes of the module

from .frames import MAX_TEXT, STDERR, STDOUT

# Text without a line break waits for more, so that print(1, 2) is one frame and not four; but not if nothing was
# sent for this long: print("working... ", end="") appears at once.
QUIET_SECONDS = 0.02
MAX_HELD = 8192


def pieces(data):
    """UTF-8 in parts of at most MAX_TEXT bytes, not cut inside a character."""
    if len(data) <= MAX_TEXT:
        return (data,)
    cuts = [0]
    while len(data) - cuts[-1] > MAX_TEXT:
        end = cuts[-1] + MAX_TEXT
        while data[end] & 0xC0 == 0x80:
            end -= 1
        cuts.append(end)
    return [data[start:end] for start, end in zip(cuts, [*cuts[1:], len(data)])]


class Bytes(io.BufferedIOBase):
    """`sys.stdout.buffer`: bytes become text."""

    def __init__(self, stream):
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self):
        return True

    def write(self, data):
        self._stream.write(self._decoder.decode(bytes(data)))
        return len(data)

    def flush(self):
        self._stream.flush()

    def fileno(self):
        return self._stream.fileno()

    def close(self):
        self.flush()


class Stream(io.TextIOBase):
    """A text stream that cannot be closed and is usable from any thread.

    In processes that user code forked it writes to the descriptor of the same meaning, which the agent reads too.
    """

    encoding = "utf-8"
    errors = "replace"
    line_buffering = True

    def __init__(self, output, kind, fd, name):
        self._output = output
        self._kind = kind
        self._fd = fd
        self._parts = []
        self._held = 0
        self.name = name
        self.mode = "w"
        self.buffer = Bytes(self)

    def fileno(self):
        return self._fd

    def writable(self):
        return True

    def reconfigure(self, **_options):
        """Programs ask for UTF-8 or line buffering: they have both."""

    def close(self):
        self.flush()

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not text:
            return 0
        output = self._output
        with output.channel.lock:
            if output.holder is not self:
                output.flush()
                output.holder = self
            self._parts.append(text)
            self._held += len(text)
            if "\n" in text or self._held > MAX_HELD or monotonic() - output.sent > QUIET_SECONDS:
                self.flush()
        return len(text)

    def flush(self):
        output = self._output
        if not self._parts:
            return
        with output.channel.lock:
            parts, self._parts = self._parts, []
            self._held = 0
            output.emit(self._kind, self._fd, "".join(parts))


class Output:
    """Both streams of the process. They hold text in turns, so that its order stays."""

    def __init__(self, channel):
        self.channel = channel
        self.stdout = Stream(self, STDOUT, 1, "<stdout>")
        self.stderr = Stream(self, STDERR, 2, "<stderr>")
        self.holder = self.stdout
        self.sent = 0.0
        self.muted = False

    def flush(self):
        self.holder.flush()

    def emit(self, kind, fd, text):
        if self.muted:
            return
        data = text.encode("utf-8", "replace")
        if self.channel.orphaned:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view):]
            return
        for piece in pieces(data):
            self.channel.send(kind, piece)
        self.sent = monotonic()
