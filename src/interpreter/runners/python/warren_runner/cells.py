"""Execution of one cell."""

import os

from . import process
from .frames import COUNT, dump

class Cells:
    def __init__(self, shell, report, output, interrupts):
        self._shell = shell
        self._report = report
        self._output = output
        self._channel = output.channel
        self._interrupts = interrupts
        self._overlay = process.Overlay()

    def execute(self, code, variables, silent):
        """Runs a cell and reports what it does. settle() comes afterwards."""
        pid = os.getpid()
        self._report.begin(silent)
        try:
            self._overlay.apply(variables)
            self._run(code, silent)
        except BaseException as error:  # an interrupt outside of user code, variables that cannot be set
            self._interrupts.disarm()
            self._report.exception(error)
        if os.getpid() != pid:
            self._leave_child()

    def settle(self):
        """Puts back what belongs to the runner, and flushes. It can be repeated."""
        self._interrupts.disarm()
        self._interrupts.install()  # the default, if a cell has set it, would end the process
        self._overlay.restore()
        process.flush_c_output()
        self._report.end()

    def _run(self, code, silent):
        shell = self._shell
        number = shell.execution_count
        counts = not silent and code and not code.isspace()
        # Before COUNT: the agent may send SIGINT as soon as it has read that.
        self._interrupts.arm()
        if not silent:
            self._channel.send(COUNT, dump({"execution_count": number}))
        try:
            result = shell.run_cell(code, store_history=not silent, silent=silent)
            self._interrupts.disarm()
        finally:
            if counts:
                self._count(number, code)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            self._report.exception(error)  # unless the shell has shown it

    def _count(self, number, code):
        """Every cell has a number and a place in In, also those that IPython could not read."""
        shell = self._shell
        if shell.execution_count != number + 1:
            shell.execution_count = number + 1
        for inputs in (shell.history_manager.input_hist_parsed, shell.history_manager.input_hist_raw):
            inputs.extend([code] * (number + 1 - len(inputs)))

    def _leave_child(self):
        """User code forked, and this is the child at the end of the cell: there is nothing more to do."""
        process.flush_c_output()
        self._output.flush()
        os._exit(1 if self._report.failed else 0)

    def rehearse(self, code):
        """For warming up: runs a cell that counts like a user's."""
        self._shell.run_cell(code, store_history=True)
