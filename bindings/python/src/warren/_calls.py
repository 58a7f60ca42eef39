"""Blocking calls of C, each in a thread of its own, for coroutines and for plain functions.

A shared pool of threads would deadlock: an execution may wait for executions inside it, and those for a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from ctypes import byref
from typing import Any, Callable, List, Optional, TypeVar

from ._ffi import lib
from ._ffi.structs import wr_wait
from ._native import Handle, call, milliseconds
from .errors import FailedPreconditionError

T = TypeVar("T")


class Token:
    """Something that ends a call early, and the time that the call has: struct wr_wait."""

    def __init__(self, timeout: Optional[float] = None) -> None:
        timeout_ms = milliseconds(timeout)
        pointer = call(lib.wr_cancel_new, None)
        self._handle = Handle(pointer, lib.wr_cancel_free)
        self._wait = wr_wait(timeout_ms, pointer)

    def run(self, request: Callable[[Token], T]) -> T:
        """request(self). The token lives as long: who waits for it may be interrupted and leave."""
        with self._handle.use():
            return request(self)

    @property
    def wait(self) -> Any:
        return byref(self._wait)

    def within(self, seconds: float) -> Any:
        """The same for another time."""
        return byref(wr_wait(milliseconds(seconds), self._wait.cancel))

    def fire(self) -> None:
        with contextlib.suppress(FailedPreconditionError), self._handle.use() as cancel:
            lib.wr_cancel_fire(cancel)

    def __enter__(self) -> Token:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()


def _start(function: Callable[[], None]) -> None:
    # A daemon: a call that cannot be stopped must not keep the program from ending.
    threading.Thread(target=function, name="warren-call", daemon=True).start()


async def in_thread(function: Callable[[], T], cancel: Callable[[], None],
                    discard: Optional[Callable[[T], None]] = None) -> T:
    """Awaits `function()`. When the task is cancelled, `cancel()` is called and the end of the call awaited all the same:
    nothing of it goes on behind the caller's back. `discard` gets a result that nobody wants any more.

    A coroutine that is thrown away (its loop was closed) cannot wait: so what the call uses has to be held by `function`."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    # What the call holds is let go before its end is told: the thread must not be the last to hold something.
    work = [function]
    del function
    left = False

    def settle(result: List[T], error: Optional[BaseException]) -> None:
        if left:
            if result and discard is not None:
                _start(lambda: discard(result[0]))
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(result[0])

    def body() -> None:
        result: List[T] = []
        error: Optional[BaseException] = None
        try:
            result.append(work.pop()())
        except BaseException as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            # The loop was closed while its task waited: nobody is left to tell.
            if result and discard is not None:
                discard(result[0])

    _start(body)
    interrupted: Optional[asyncio.CancelledError] = None
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError as error:
            interrupted = interrupted or error
            cancel()
        except GeneratorExit:
            left = True
            with contextlib.suppress(FailedPreconditionError):
                cancel()  # the collector may have closed what it is about
            raise
        except BaseException:
            break  # the call's own; the future has it
    if interrupted is not None:
        if future.exception() is None and discard is not None:
            late = future.result()
            await in_thread(lambda: discard(late), lambda: None)
        raise interrupted
    return future.result()


def here(function: Callable[[], T], cancel: Callable[[], None],
         discard: Optional[Callable[[T], None]] = None) -> T:
    """Returns `function()`. In the main thread the call is made elsewhere, so that Ctrl-C is heard: it cancels the call,
    awaits its end and raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        return function()
    done = threading.Event()
    result: List[T] = []
    failed: List[BaseException] = []
    work = [function]
    del function

    def body() -> None:
        try:
            result.append(work.pop()())
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    try:
        _start(body)
        done.wait()
    except BaseException:
        if work:  # no thread, or one that has not begun: it finds nothing to do
            work.clear()
            raise
        cancel()
        done.wait()
        if result and discard is not None:
            discard(result[0])
        raise
    if failed:
        raise failed[0]
    return result[0]


def blocking(request: Callable[[Token], T], timeout: Optional[float] = None,
             discard: Optional[Callable[[T], None]] = None) -> T:
    """A request for `timeout` seconds, for plain functions."""
    with Token(timeout) as token:
        return here(lambda: token.run(request), token.fire, discard)


async def awaited(request: Callable[[Token], T], timeout: Optional[float] = None,
                  discard: Optional[Callable[[T], None]] = None) -> T:
    """The same for coroutines."""
    with Token(timeout) as token:
        return await in_thread(lambda: token.run(request), token.fire, discard)
