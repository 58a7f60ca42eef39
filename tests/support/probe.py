"""Raw system calls from inside a sandbox (probe.c)."""

import errno
import pathlib
import subprocess

PATH = "/tmp/probe"
SOURCE = pathlib.Path(__file__).with_name("probe.c")


def build(directory):
    """Compiles the prober -> its bytes. Static and not position-independent: it runs in any template and lies below 4 GiB."""
    target = pathlib.Path(directory) / "probe"
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-no-pie", "-D_GNU_SOURCE", "-o", target, SOURCE],
                   check=True)
    return target.read_bytes()


def name_of(line):
    """"-1" -> "EPERM", "3" -> 3, "signal 31" as it is."""
    if not line.lstrip("-").isdigit():
        return line
    value = int(line)
    return errno.errorcode.get(-value, value) if value < 0 else value


def call_all(sandbox, user, calls):
    """Each of "ABI NUMBER ARGUMENT..." -> what the kernel answers, in order."""
    text = "\n".join(calls)
    out = sandbox.check(f"{PATH} <<'END'\n{text}\nEND\n", user)
    answers = [name_of(line) for line in out.splitlines()]
    assert len(answers) == len(calls), f"{len(calls)} calls, answers: {answers}"
    return answers
