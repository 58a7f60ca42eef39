"""The loop of a context."""

import json
import os
import sys

from . import loops, process, renewal
from .frames import ASSIGN, DONE, EXECUTE, INIT, READY, RENEW, RENEWED, dump
from .runner import Runner

# At one frame. Alarms that a cell has left behind do not raise as often; a socket that user code has closed does.
MAX_FAILURES = 1000


def begun(runner):
    sys.path.insert(0, "")  # not before the imports of warm(): the user's files may have names of modules
    runner.shell.settle()


def on_init(runner, request):
    process.begin(request)
    if renewal.needed():
        renewal.start(runner.channel.fd, request)
    begun(runner)


def on_assign(_runner, request):
    process.assign(request)


def on_renew(runner, request):
    runner.renewal.settle(request["env"])


def on_execute(runner, request):
    runner.renewal.forget()
    runner.cells.execute(request["code"], request.get("env") or {}, bool(request.get("silent")))


# Kind of frame -> what to do, kind of the reply.
HANDLERS = {
    INIT: (on_init, READY), ASSIGN: (on_assign, READY), EXECUTE: (on_execute, DONE), RENEW: (on_renew, RENEWED),
}


class Context:
    """Answers frames one after the other.

    Signal handlers of user code may raise anywhere in here, long after their cell. step() is called again then, and
    goes on where it was: nothing is done twice, and every frame gets its reply.
    """

    def __init__(self, runner):
        self._runner = runner
        self._frame = None
        self._handled = False
        self._replied = []
        self._failures = 0

    def run(self):
        while True:
            try:
                self.step()
            except BaseException:
                self._failures += self._frame is not None
                if self._failures > MAX_FAILURES:
                    os._exit(1)

    def step(self):
        runner = self._runner
        if self._frame is None:
            loops.idle(runner.channel.fd)
            self._frame = runner.channel.receive()
            if self._frame is None or self._frame[0] not in HANDLERS:
                os._exit(0)  # the agent is gone
            self._failures = 0
        kind, payload = self._frame
        handle, reply = HANDLERS[kind]
        if not self._handled:
            request = json.loads(payload)
            self._handled = True
            handle(runner, request)
        runner.cells.settle()
        if not self._replied:
            self._reply(reply)
        runner.channel.flush()
        self._frame, self._handled, self._replied = None, False, []

    def _reply(self, kind):
        told = dump({"pid": os.getpid()} if kind == READY else {})
        self._runner.channel.enqueue(self._replied, kind, told)


def serve(fd, renewed):
    """Becomes a context on the agent's socket `fd`. warm() was called before, in this process or in one that forked
    it. `renewed`: process.begin() was called too. Does not return."""
    runner = Runner.current
    runner.connect(fd)
    if renewed:
        begun(runner)
        runner.channel.send(READY, dump({"pid": os.getpid()}))
    context = Context(runner)
    while True:
        try:
            context.run()
        except BaseException:  # raised between two rounds of the loop in there
            continue
