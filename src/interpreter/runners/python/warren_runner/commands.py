"""!commands and %pip. Commands see a pipe, not a terminal: no colours, no progress bars, lines end with "\\n"."""

import codecs
import importlib.metadata
import os
import re
import select
import shlex
import subprocess
import sys

from IPython.core.magic import Magics, line_magic, magics_class

from .process import forget_missing_directories

READ_SIZE = 65536
# An interrupted command has received SIGINT itself; this is how long it may take to end.
GRACE_SECONDS = 2
INSTALLED = re.compile(r"^Successfully installed (.+)$", re.MULTILINE)


def shell_program():
    given = os.environ.get("SHELL", "")
    candidates = [given] if os.path.basename(given) in ("bash", "sh", "dash", "zsh", "ksh") else []
    return next((path for path in [*candidates, "/bin/bash"] if os.access(path, os.X_OK)), "/bin/sh")


def start(command, **options):
    return subprocess.Popen([shell_program(), "-c", command], stdin=subprocess.DEVNULL, **options)


def end(process):
    """After an interrupt: waits a little, then kills."""
    try:
        process.wait(GRACE_SECONDS)
    except BaseException:
        process.kill()
        process.wait()


def parts_of(process):
    """The bytes that a command writes, until it ends. A background process that it leaves behind may keep the pipe
    open: that is not waited for."""
    pipe = process.stdout.fileno()
    ended = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(ended, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if pipe in ready:
                part = os.read(pipe, READ_SIZE)
                if not part:
                    return
                yield part
            elif ended in ready:
                return
    finally:
        os.close(ended)


def exit_code(process):
    """As IPython has it: negative for a signal, also of a command that the shell ran."""
    code = process.wait()
    return -(code - 128) if code > 128 else code


def show(text):
    """To whatever sys.stdout is now: %%capture and redirect_stdout() see it."""
    sys.stdout.write(text)
    sys.stdout.flush()


def run(command, write):
    """Runs a command line; `write` gets its text as it comes -> exit code."""
    if command.rstrip().endswith("&"):
        # It goes on after the cell, with the descriptors that the agent reads.
        return exit_code(start(command))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        try:
            for part in parts_of(process):
                if text := decoder.decode(part):
                    write(text)
            if text := decoder.decode(b"", True):
                write(text)
            code = exit_code(process)
        except BaseException:
            end(process)
            raise
    forget_missing_directories()
    return code


def capture(command):
    """Runs a command line -> its text."""
    parts = []
    run(command, parts.append)
    return "".join(parts)


def modules_of(distribution):
    """Names of the top-level modules of an installed package."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return set()
    tops = (path.parts[0] for path in files)
    return {top.split(".")[0] for top in tops if not top.endswith((".dist-info", ".egg-info"))}


def stale_modules(text):
    """Packages that pip's report calls installed and that were imported before."""
    names = [item.rsplit("-", 1)[0] for match in INSTALLED.findall(text) for item in match.split()]
    return [name for name in names if any(module in sys.modules for module in modules_of(name) if module != "__pycache__")]


@magics_class
class PackageMagics(Magics):
    @line_magic
    def pip(self, line):
        """Runs pip for the Python of this context: %pip install NAME..."""
        parts = []

        def write(text):
            parts.append(text)
            show(text)

        command = f"{shlex.quote(sys.executable)} -m pip --disable-pip-version-check --no-input {line}"
        self.shell.user_ns["_exit_code"] = run(command, write)
        if stale := stale_modules("".join(parts)):
            print(f"Note: restart the context to use the installed version of what was already imported: {', '.join(stale)}")
