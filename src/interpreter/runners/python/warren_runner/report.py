"""What a cell tells besides its text: results and at most one error."""

import os
import traceback

from . import mime
from .frames import LINE


def text_of(error):
    """str(error), also of exceptions that cannot say what they are."""
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"


def plain_traceback(error, trace):
    """As Python prints it, without the shell's own frames."""
    while trace is not None and f"{os.sep}IPython{os.sep}" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:
        return f"{type(error).__name__}: {text_of(error)}"


class Report:
    def __init__(self, output):
        self._output = output
        self._silent = False
        self.failed = False

    def begin(self, silent):
        self._silent = silent
        self._output.muted = silent
        self.failed = False

    def end(self):
        self._output.flush()
        self._output.muted = False

    def result(self, bundle, is_main_result):
        if self._silent or not bundle:
            return
        line = mime.result_line(bundle, is_main_result)
        self._send(line)

    def error(self, name, value, trace):
        """Only the first counts: the stream of a cell has room for one."""
        if self.failed:
            return
        self.failed = True
        if self._output.channel.orphaned:
            self._output.stderr.write(f"{trace}\n")  # a process that user code forked
        else:
            self._send(mime.error_line(name, value, trace))

    def exception(self, error):
        self.error(type(error).__name__, text_of(error), plain_traceback(error, error.__traceback__))

    def _send(self, line):
        with self._output.channel.lock:
            self._output.flush()
            self._output.channel.send(LINE, line)
