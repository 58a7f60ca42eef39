"""Primitives of Python for tests: no server is needed for them."""

import asyncio

from warren.primitives import WorkflowPrimitive


class Add(WorkflowPrimitive):
    """Adds to the member "n"."""

    def __init__(self, amount=1):
        self.amount = amount

    async def execute(self, input_data, context=None):
        await asyncio.sleep(0)
        return {"n": input_data["n"] + self.amount}


class Script(WorkflowPrimitive):
    """Each execution does the next of `acts`: an exception is raised, anything else returned. Counts."""

    def __init__(self, *acts):
        self.acts = list(acts)
        self.calls = 0

    async def execute(self, input_data, context=None):
        self.calls += 1
        act = self.acts.pop(0)
        if isinstance(act, BaseException):
            raise act
        return act


class Hang(WorkflowPrimitive):
    """Never ends by itself; says when it has begun and whether it was cancelled."""

    def __init__(self):
        self.begun = None
        self.running = 0
        self.canceled = 0

    async def execute(self, input_data, context=None):
        self.running += 1
        if self.begun is not None:
            self.begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.canceled += 1
            raise
        finally:
            self.running -= 1
