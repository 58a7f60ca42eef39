"""What the runners of Bash and R have in common: both drive another program that cannot read frames (frame.h).

A runner gives a class `program(env, cwd)` with
  run(code, env, silent, begin, emit)
                      the error of the cell, {"name", "value", "traceback"}, or None; raises Ended. `begin` is to be called
                      when the program will not miss an interrupt any more, and has written nothing yet
  renew(env)          sets variables for good, and gives it new randomness where it needs that; may raise Ended
  close(kill=False)   ends it and returns its exit status as a shell shows it
"""

import os
import signal
import sys

from frames import Channel

SOCKET = 3


class Ended(Exception):
    """The program has ended in the middle of a cell."""


class Context:
    def __init__(self, program, what):
        self.channel = Channel(SOCKET)
        self.program = program
        self.what = what
        self.count = 0
        self.begun = True
        self.interrupted = False
        self.running = None
        self.env = {}
        self.cwd = None
        # The interrupt is for the program; its process group is this one's.
        signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, *_):
        self.interrupted = True

    def _prepare(self, env, cwd):
        """A new program with this environment: what was prepared for nobody has no state."""
        if self.running:
            self.running.close(kill=True)
        self.env, self.cwd = env, cwd
        self.running = self.program(env, cwd)
        self.channel.send_json("R", {"pid": os.getpid()})

    def _renew(self, env):
        """The sandbox goes on from an image, perhaps beside others from the same one."""
        self.env = {**self.env, **env}
        try:
            self.running.renew(env)
        except Ended:
            self._replace()
        self.channel.send_json("n", {})

    def _replace(self):
        status = self.running.close()
        self.running = self.program(self.env, self.cwd)
        return status

    def emit(self, line):
        """False if the line is too long; nothing was sent then."""
        return self.channel.send_json("L", line)

    def _execute(self, request):
        self.begun = request.get("silent", False)
        self.interrupted = False
        error = self._run(request["code"], request.get("env") or {}, self.begun)
        self._begin()
        if error:
            self.emit({"type": "error", **error})
        self.channel.send_json("D", {})

    def _begin(self):
        if not self.begun:
            self.count += 1
            self.channel.send_json("C", {"execution_count": self.count})
        self.begun = True

    def _run(self, code, env, silent):
        if "\0" in code or any("\0" in value for value in env.values()):
            text = "the code and the environment of a cell cannot hold the character NUL"
            return {"name": "ValueError", "value": text, "traceback": f"ValueError: {text}"}
        try:
            error = self.running.run(code, env, silent, self._begin, (lambda line: True) if silent else self.emit)
        except Ended:
            status = self._replace()
            return {
                "name": "SystemExit", "value": str(status),
                "traceback": f"{self.what} ended with exit status {status}; its state is lost, and the next cell has a new one",
            }
        if error and self.interrupted:
            text = "the cell was interrupted"
            return {"name": "KeyboardInterrupt", "value": text, "traceback": f"KeyboardInterrupt: {text}"}
        return error

    def serve(self):
        handlers = {
            "I": lambda body: self._prepare(body["env"], body["cwd"]),
            "A": lambda body: self._prepare(body["env"], self.cwd),
            "N": lambda body: self._renew(body["env"]),
            "X": self._execute,
        }
        while True:
            frame = self.channel.receive()
            if frame is None:
                sys.exit(0)
            kind, body = frame
            handlers[kind](body)
