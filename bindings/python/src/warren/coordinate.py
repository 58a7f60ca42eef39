"""For tasks of one program that drive sandboxes: barriers, channels, leases on names. Waiting ends with the context."""

from __future__ import annotations

from ctypes import byref, c_uint, c_uint64, c_void_p
from typing import Any, AsyncIterator, Callable, Optional, TypeVar

from ._calls import in_thread
from ._ffi import lib
from ._native import Handle, call, milliseconds, take_value, text, to_value
from .context import WorkflowContext
from .errors import InvalidInputError

T = TypeVar("T")


async def _wait(context: Optional[WorkflowContext], request: Callable[[int], T],
                discard: Optional[Callable[[T], None]] = None) -> T:
    """A request that waits inside a part of the workflow, so that it can be given up alone."""
    part = (context if context is not None else WorkflowContext()).child()

    def ask() -> T:
        with part.use() as workflow:
            return request(workflow)

    return await in_thread(ask, part.cancel, discard)


class Barrier:
    """Lets `parties` go on when all of them have come; then it starts again."""

    def __init__(self, parties: int) -> None:
        if parties < 1:
            raise ValueError(f"parties is at least 1, not {parties}")
        self._handle = Handle(call(lib.wr_barrier_new, parties), lib.wr_barrier_free)

    async def wait(self, context: Optional[WorkflowContext] = None) -> int:
        """0 for the last to come. When a party's wait ends early, all who wait get a WarrenError, code "aborted"."""
        def request(workflow: int) -> int:
            number = c_uint()
            with self._handle.use() as barrier:
                call(lib.wr_barrier_wait, barrier, workflow, byref(number))
            return number.value

        return await _wait(context, request)


class Channel:
    """A queue of at most `capacity` values; 0: each send waits for its receiver."""

    def __init__(self, capacity: int = 0) -> None:
        if capacity < 0:
            raise ValueError(f"capacity is not negative, as {capacity}")
        self._handle = Handle(call(lib.wr_channel_new, capacity), lib.wr_channel_free)

    async def send(self, value: Any, context: Optional[WorkflowContext] = None) -> None:
        """WarrenError, code "aborted", when it is closed."""
        pointer = to_value(value, "value")

        def request(workflow: int) -> None:
            try:
                with self._handle.use() as channel:
                    call(lib.wr_channel_send, channel, workflow, pointer)
            except BaseException:
                lib.wr_value_free(pointer)
                raise

        await _wait(context, request)

    async def receive(self, context: Optional[WorkflowContext] = None) -> Any:
        """EOFError when it is closed and empty."""
        def request(workflow: int) -> Any:
            ret = c_void_p()
            with self._handle.use() as channel:
                call(lib.wr_channel_receive, channel, workflow, byref(ret))
            return take_value(ret.value)

        try:
            return await _wait(context, request)
        except InvalidInputError as error:
            if error.code == "out_of_range":
                raise EOFError("the channel is closed") from None
            raise

    def close(self) -> None:
        """What was sent before is still received."""
        with self._handle.use() as channel:
            lib.wr_channel_close(channel)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            try:
                value = await self.receive()
            except EOFError:
                return
            yield value


class Lease:
    """A name that is held. `token` grows with each lease of the name, so that who has lost one can be told from who has it."""

    def __init__(self, leases: Leases, name: str, token: int) -> None:
        self._leases, self.name, self.token = leases, name, token

    def renew(self, ttl: float) -> None:
        """For `ttl` more seconds; FailedPreconditionError when it has passed to another."""
        with self._leases._handle.use() as leases:
            call(lib.wr_leases_renew, leases, text(self.name), self.token, milliseconds(ttl, "ttl"))

    def release(self) -> None:
        with self._leases._handle.use() as leases:
            lib.wr_leases_give(leases, text(self.name), self.token)

    async def __aenter__(self) -> Lease:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()


class Leases:
    """Names that one party at a time holds, for a time."""

    def __init__(self) -> None:
        self._handle = Handle(call(lib.wr_leases_new), lib.wr_leases_free)

    async def take(self, name: str, ttl: float = 60, context: Optional[WorkflowContext] = None) -> Lease:
        """Waits for the name and holds it at most `ttl` seconds. First come, first served."""
        ttl_ms = milliseconds(ttl, "ttl")

        def request(workflow: int) -> Lease:
            token = c_uint64()
            with self._handle.use() as leases:
                call(lib.wr_leases_take, leases, text(name), ttl_ms, workflow, byref(token))
            return Lease(self, name, token.value)

        return await _wait(context, request, Lease.release)
