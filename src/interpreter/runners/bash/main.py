"""Runner of Bash cells: python3 -I main.py

Bash cannot read frames (src/interpreter/frame.h), so this program does, and drives one bash over a pipe. Bash runs as an
interactive shell without a terminal: then an interrupt, or an expansion error, ends the command line and not the shell.
What the cell writes goes straight to the pipes 1 and 2 of the agent; this program never sees it.
"""

import os
import secrets
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shared"))

from child import Child  # noqa: E402
from context import Context, Ended  # noqa: E402

# Descriptors in the shell, closed while a cell runs.
STATUS = 250
ERRORS = 251
READY = "ready"
# The prompts of an interactive shell would be output.
START = f"PS1= PS2= PROMPT_COMMAND=; set +o history +H; history -c; unset HISTFILE; exec 2>&{ERRORS} {ERRORS}>&-\n"


def is_name(name):
    return name.isascii() and name.isidentifier()


def lines(code, env, last_status, silent):
    """The command lines of one cell.

    The first one waits for a second, which is empty: an interrupt ends a line, and the cell is part of the first from
    the moment that it reported. The third one is read whatever became of that.
    """
    names = [name for name in env if is_name(name)]
    before = "".join(
        f"__warren_{name}=$(declare -p {name}) || __warren_{name}=; export {name}={shlex.quote(env[name])}; " for name in names
    )
    after = "".join(f'unset -v {name}; eval "$__warren_{name}"; unset -v __warren_{name}; ' for name in names)
    # $? of the cell before is there again, unless it would end the shell. Not by a subshell: while bash waits for a child that
    # ends as usual, it takes no notice of an interrupt.
    again = (
        f"__warren_again() {{ builtin unset -f __warren_again; builtin return {last_status}; }}; "
        "[[ $- == *e* ]] || __warren_again; "
    )
    quiet = " >/dev/null 2>&1" if silent else ""
    ask = f"builtin printf '{READY}' >&{STATUS}; builtin read -r __warren_go; unset -v __warren_go; "
    yield f"{{ {before}{ask}{again}}} 2>/dev/null; eval {shlex.quote(code)}{quiet} </dev/null {STATUS}>&-\n"
    yield "\n"
    yield f'{{ builtin printf "%s\\n" "$?" >&{STATUS}; {after}}} 2>/dev/null\n'


class Shell(Child):
    def __init__(self, env, cwd):
        # Its complaints about the missing terminal are nobody's business: standard error comes with the first line.
        with open("/dev/null", "wb") as nowhere:
            super().__init__(
                ["bash", "--norc", "--noprofile", "--noediting", "-i"], env, cwd,
                lambda commands, reports: ((commands, 0), (reports, STATUS), (2, ERRORS), (nowhere.fileno(), 2)),
            )
        self.last_status = 0
        self.tell(START.encode())

    def renew(self, env):
        # SRANDOM comes from the kernel.
        exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in env.items() if is_name(name))
        if not self.tell(f"{{ RANDOM={secrets.randbelow(2**31)}; {exports}}} 2>/dev/null\n".encode()):
            raise Ended

    def run(self, code, env, silent, begin, _emit):
        cell, go, status_line = (line.encode() for line in lines(code, env, self.last_status, silent))
        if not self.tell(cell) or not self.report():
            raise Ended
        begin()
        report = self.tell(go + status_line) and self.report()
        if not report:
            raise Ended
        self.last_status = status = int(report)
        if status == 0:
            return None
        return {
            "name": "ExitStatus", "value": str(status), "traceback": f"the last command ended with exit status {status}",
        }


if __name__ == "__main__":
    Context(Shell, "the shell").serve()
