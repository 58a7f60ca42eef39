"""A program with a pipe of commands to it and a pipe of reports from it."""

import os
import select
import signal


class Child:
    """`moves(commands, reports)` lists (descriptor, number in the child); `argv[0]` is looked up in the child's PATH."""

    def __init__(self, argv, env, cwd, moves):
        commands, self.commands = os.pipe()
        self.reports, reports = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(argv, env, cwd, moves(commands, reports))
        os.close(commands)
        os.close(reports)
        self.exit = os.pidfd_open(self.pid)
        os.set_blocking(self.commands, False)

    @staticmethod
    def _become(argv, env, cwd, moves):
        try:
            for source, target in moves:
                os.dup2(source, target)
            os.chdir(cwd)
        except OSError:
            pass  # the agent put this process into the directory already
        try:
            os.execvpe(argv[0], argv, env)
        finally:
            os._exit(127)

    def tell(self, data):
        """Sends a command. False if the program is gone; it may end before it has read everything."""
        rest = memoryview(data)
        poll = select.poll()
        poll.register(self.commands, select.POLLOUT)
        poll.register(self.exit, select.POLLIN)
        while rest:
            if any(descriptor == self.exit for descriptor, _ in poll.poll()):
                return False
            try:
                rest = rest[os.write(self.commands, rest):]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                return False
        return True

    def report(self, size=65536):
        """Bytes that the program reports; none if it has ended. A process that it started may have the pipe still."""
        poll = select.poll()
        poll.register(self.reports, select.POLLIN)
        poll.register(self.exit, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll()]
        return os.read(self.reports, size) if self.reports in ready else b""

    def close(self, kill=False):
        """Waits for the end; returns the exit status as a shell shows it."""
        if kill:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        for descriptor in (self.commands, self.reports, self.exit):
            os.close(descriptor)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code
