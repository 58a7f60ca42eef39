"""The parts of a runner, put together. There is one in a process."""

import os
import sys

from . import shell
from .cells import Cells
from .frames import Channel
from .interrupts import Interrupts
from .report import Report
from .reseeding import Renewal
from .streams import Output


class Runner:
    current = None

    def __init__(self):
        self.interrupts = Interrupts()
        self.renewal = Renewal()
        self.channel = Channel()
        self.output = Output(self.channel)
        self.report = Report(self.output)
        self.shell = shell.make(self.report)
        self.cells = Cells(self.shell, self.report, self.output, self.interrupts)

    def connect(self, fd):
        """Speaks to the agent from now on."""
        self.interrupts.install()
        self.renewal.install()
        self.channel.connect(fd)
        sys.stdout = sys.__stdout__ = self.output.stdout
        sys.stderr = sys.__stderr__ = self.output.stderr
        os.register_at_fork(before=self.output.flush, after_in_child=self.channel.abandon)
