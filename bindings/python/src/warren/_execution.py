"""One execution that was begun in Python: the way back from C to its event loop, and the exceptions on that way.

C tells a Python-defined primitive which execution it belongs to by wr_workflow_data(), which every part of a workflow
inherits. The primitive's coroutine runs on the loop that awaits the execution, while C's thread waits for it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import logging
import os
import re
from ctypes import c_void_p
from typing import Any, Callable, List, Optional, Tuple

from . import errors
from ._ffi import lib
from ._ffi.constants import (
    WR_E_CANCELED, WR_E_DEADLINE_EXCEEDED, WR_E_INVALID_ARGUMENT, WR_E_NOT_FOUND,
    WR_E_PERMISSION_DENIED, WR_E_RESOURCE_EXHAUSTED, WR_E_UNAVAILABLE, WR_E_UNIMPLEMENTED, WR_E_UNKNOWN)
from ._ffi.structs import wr_branch_fn, wr_cache_key_fn, wr_error, wr_primitive_ops, wr_primitive_ops_execute, \
    wr_primitive_ops_free, wr_primitive_ops_stats
from ._native import Registry, error_of, from_value, message_of, options, text, to_value
from .context import WorkflowContext

Step = Callable[[Any, WorkflowContext], Any]

log = logging.getLogger("warren")

# The first that fits. Input stays wrong, OSError may pass; what nobody foresaw counts as the service's.
_CODES: Tuple[Tuple[type, int], ...] = (
    (asyncio.CancelledError, WR_E_CANCELED), (asyncio.TimeoutError, WR_E_DEADLINE_EXCEEDED),
    (TimeoutError, WR_E_DEADLINE_EXCEEDED), (PermissionError, WR_E_PERMISSION_DENIED),
    (FileNotFoundError, WR_E_NOT_FOUND), (OSError, WR_E_UNAVAILABLE), (NotImplementedError, WR_E_UNIMPLEMENTED),
    (MemoryError, WR_E_RESOURCE_EXHAUSTED), (KeyboardInterrupt, WR_E_CANCELED), (SystemExit, WR_E_CANCELED),
    (ValueError, WR_E_INVALID_ARGUMENT), (TypeError, WR_E_INVALID_ARGUMENT), (LookupError, WR_E_INVALID_ARGUMENT),
    (AttributeError, WR_E_INVALID_ARGUMENT), (NameError, WR_E_INVALID_ARGUMENT), (AssertionError, WR_E_INVALID_ARGUMENT),
)
_NUMBERS = {lib.wr_code_name(number).decode(): number for number in range(1, 17)}
_MESSAGE_BYTES = 200
_LOOP_LOOK_SECONDS = 0.5
# Wrappers put something in front of a message and may cut off its end: by so many characters it is found in theirs.
_KNOWN_BY = 64
_BREAKER = re.compile(r"the circuit breaker is \w+ after (\d+) failures?: (.*)", re.S)


def code_of(error: BaseException) -> int:
    if isinstance(error, errors.WarrenError):
        return _NUMBERS.get(error.code, WR_E_UNKNOWN)
    return next((code for kind, code in _CODES if isinstance(error, kind)), WR_E_UNKNOWN)


def describe(error: BaseException, err: Any) -> int:
    """Fills a struct wr_error; returns its code as C functions do."""
    message = str(error) if isinstance(error, errors.WarrenError) else f"{type(error).__name__}: {error}"
    retry_after = getattr(error, "retry_after", None)
    err.code = code_of(error)
    err.os_errno = 0
    err.retry_after_ms = min(round(retry_after * 1000), 2**32 - 1) if isinstance(retry_after, (int, float)) else 0
    shortened = message.replace("\n", " ").encode(errors="replace")[:_MESSAGE_BYTES].decode(errors="ignore")
    err.msg = shortened.replace("\0", " ").encode()
    return -int(err.code)


class Execution:
    """`number` is what C knows it by, while it executes: inside of the `with` block."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: WorkflowContext) -> None:
        self.loop = loop
        self.context = context
        self.variables = contextvars.copy_context()
        self.fatal: Optional[BaseException] = None
        self._raised: List[Tuple[int, str, BaseException]] = []
        self.number = executions.put(self)

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, *_: object) -> None:
        executions.drop(self.number)

    def forget(self) -> None:
        """Exceptions hold the frames that they came through, and so the execution itself."""
        executions.drop(self.number)
        self._raised.clear()

    def run(self, step: Step, given: Any, workflow: int) -> Any:
        """Runs a step on the loop, from a thread of C's, until it ends, or `workflow` does: then it is cancelled."""
        context = self.context._part(lib.wr_workflow_ref(workflow))
        wait = lib.wr_workflow_wait(workflow, 0)
        # Its own descriptor: several steps may watch the same token, and a loop watches a descriptor once.
        watched = os.dup(lib.wr_cancel_fd(wait.cancel))
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()

        async def body() -> Any:
            result = step(given, context)
            return await result if inspect.isawaitable(result) else result

        def begin() -> None:
            task = self.loop.create_task(body())
            timer = self.loop.call_later((wait.timeout_ms + 1) / 1000, task.cancel) if wait.timeout_ms else None
            task.add_done_callback(lambda ended: finish(ended, timer))
            self.loop.add_reader(watched, stop, task)

        def stop(task: asyncio.Task[Any]) -> None:
            self.loop.remove_reader(watched)
            task.cancel()

        def finish(task: asyncio.Task[Any], timer: Optional[asyncio.TimerHandle]) -> None:
            self.loop.remove_reader(watched)
            if timer is not None:
                timer.cancel()
            if task.cancelled():
                done.set_exception(asyncio.CancelledError())
            elif task.exception() is not None:
                done.set_exception(task.exception())
            else:
                done.set_result(task.result())

        try:
            self.loop.call_soon_threadsafe(begin, context=self.variables)
            while not concurrent.futures.wait([done], _LOOP_LOOK_SECONDS).done:
                # A loop that was closed runs nothing any more, and tells nobody.
                if self.loop.is_closed():
                    raise RuntimeError("the event loop of the execution was closed")
            return done.result()
        finally:
            os.close(watched)

    def failed(self, error: BaseException, workflow: int, err: Any) -> int:
        """Tells C of an exception, and remembers it for whoever awaits the execution."""
        if isinstance(error, asyncio.CancelledError) and lib.wr_workflow_check(workflow, err) < 0:
            return -int(err.contents.code)
        code = describe(error, err.contents)
        self._raised.append((-code, message_of(err.contents)[:_KNOWN_BY], error))
        return code

    def give_up(self, error: BaseException, workflow: int) -> None:
        """For callbacks that cannot fail: the whole execution ends with this exception."""
        self.fatal = self.fatal or error
        with self.context.use() as whole:
            lib.wr_workflow_cancel(whole)

    def error(self, err: wr_error) -> BaseException:
        """What to raise for C's error: the exception that caused it, if that came from Python."""
        fatal = self.fatal or self.context.listener_error()
        if fatal is not None:
            return fatal
        message = message_of(err)
        # What a message names first is what it is about: of two that failed the second is mentioned behind the first, and a
        # breaker mentions the error that opened it. Of equal ones the latest counts.
        mentioned = [(message.index(said), -number, error) for number, (code, said, error) in enumerate(self._raised)
                     if code == err.code and said in message]
        first = min(mentioned, key=lambda one: one[:2], default=None)
        open_breaker = _BREAKER.search(message)
        if first is not None and not (open_breaker and open_breaker.start() < first[0]):
            return first[2]
        return refine(error_of(err), self.context)


def refine(error: errors.WarrenError, context: WorkflowContext) -> errors.WarrenError:
    """Errors that have a class of their own beyond their code."""
    if error.code == "permission_denied":
        report = context.state.get("policy_report")
        if isinstance(report, dict) and not report.get("allowed", True):
            refused = errors.PolicyViolationError(str(error), code=error.code)
            refused.report = report
            return refused
    open_breaker = _BREAKER.search(str(error)) if error.code == "unavailable" else None
    if open_breaker:
        return errors.CircuitBreakerError(int(open_breaker.group(1)), open_breaker.group(2), message=str(error),
                                          retry_after=error.retry_after)
    return error


executions = Registry()
steps = Registry()  # numbers of what C calls, see primitive_of() and the callbacks below


def _execution(workflow: int) -> Execution:
    found = executions.get(lib.wr_workflow_data(workflow))
    if found is None:
        raise errors.FailedPreconditionError("a primitive of Python runs inside an execution that Python began")
    assert isinstance(found, Execution)
    return found


def _execute_step(number: int, given: int, workflow: int, ret: Any, err: Any) -> int:
    try:
        execution = _execution(workflow)
    except BaseException as error:
        return describe(error, err.contents)
    try:
        ret[0] = c_void_p(to_value(execution.run(steps.get(number), from_value(given), workflow), "output"))
        return 0
    except BaseException as error:
        return execution.failed(error, workflow, err)


_execute: Any = wr_primitive_ops_execute(_execute_step)


def _free_step(number: int) -> None:
    steps.drop(number)


_free: Any = wr_primitive_ops_free(_free_step)


_OPS = options(wr_primitive_ops, execute=_execute, stats=wr_primitive_ops_stats(), free=_free)


def primitive_of(name: str, step: Step) -> int:
    """A struct wr_primitive, the caller's, that runs a step of Python."""
    number = steps.put(step)
    err = wr_error()
    short = name.encode()[:63].decode(errors="ignore")
    made = lib.wr_primitive_new(text(short), _OPS, number, err)
    if not made:
        steps.drop(number)
        raise error_of(err)
    return int(made)


def _choose(given: int, workflow: int, number: int, err: Any) -> int:
    """wr_branch(): a step of Python gives the number of the branch."""
    try:
        execution = _execution(workflow)
    except BaseException as error:
        return describe(error, err.contents)
    try:
        return int(execution.run(steps.get(number), from_value(given), workflow))
    except BaseException as error:
        return execution.failed(error, workflow, err)


choose: Any = wr_branch_fn(_choose)


def _cache_key(given: int, workflow: int, number: int) -> Optional[int]:
    """wr_cache_new(): a step of Python gives the key, or None for what is not to be cached. The key is handed over as
    JSON, which the library hashes as any text."""
    try:
        execution = _execution(workflow)
    except BaseException:
        log.exception("a cache's key function was called outside of an execution")
        return None
    try:
        key = execution.run(steps.get(number), from_value(given), workflow)
        if key is None:
            return None
        made = to_value(key, "cache key")
        try:
            return int(lib.wr_value_text(made))
        finally:
            lib.wr_value_free(made)
    except BaseException as error:
        execution.give_up(error, workflow)
        return None


cache_key: Any = wr_cache_key_fn(_cache_key)
