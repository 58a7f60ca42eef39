"""What all primitives have in common, and those that are made of Python functions.

There is one implementation of every primitive, libwarren's. The classes of this package hold a primitive of C each; those
that a program defines itself become one when they are put into another.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from ctypes import byref, c_void_p
from typing import Any, Callable, Generic, List, Optional, Sequence, Tuple, TypeVar, Union

from ._calls import in_thread
from ._execution import Execution, primitive_of
from ._ffi import lib
from ._ffi.structs import wr_error
from ._native import Handle, call, take_value, to_value
from .context import WorkflowContext

In = TypeVar("In")
Out = TypeVar("Out")
Function = Union[Callable[[Any], Any], Callable[[Any, WorkflowContext], Any]]
Primitive = Union["WorkflowPrimitive[Any, Any]", Function]

Self = TypeVar("Self", bound="WorkflowPrimitive[Any, Any]")


class WorkflowPrimitive(Generic[In, Out]):
    """Takes a value and gives a value, inside a workflow. Values are JSON.

    A primitive of one's own is a subclass with `async def execute(self, input_data, context)`. `a >> b` runs one after the
    other, `a | b` side by side; functions of (value) or (value, context) can stand in for primitives there.
    """

    @property
    def name(self) -> str:
        """What spans, metrics and logs call it."""
        return type(self).__name__

    async def execute(self, input_data: In, context: Optional[WorkflowContext] = None) -> Out:
        raise NotImplementedError(f"{type(self).__name__} has no execute()")

    def execute_sync(self, input_data: In, context: Optional[WorkflowContext] = None) -> Out:
        """For programs without an event loop. Ctrl-C ends the execution and raises KeyboardInterrupt."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._run(input_data, context))
        raise RuntimeError("an event loop is running here: await execute() instead")

    async def _run(self, input_data: In, context: Optional[WorkflowContext]) -> Out:
        return await self.execute(input_data, context if context is not None else WorkflowContext())

    def retain(self) -> int:
        """A struct wr_primitive for somebody else to hold and free."""
        return primitive_of(self.name, self.execute)

    def stats(self) -> dict[str, Any]:
        """Figures and state; {} when there are none."""
        return {}

    async def cleanup(self) -> None:
        """Ends what it holds. More than once is no error, and a later execute() begins anew."""

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cleanup()

    def __rshift__(self, other: Primitive) -> WorkflowPrimitive[Any, Any]:
        from .compose import SequentialPrimitive

        return SequentialPrimitive([self, other])

    def __rrshift__(self, other: Function) -> WorkflowPrimitive[Any, Any]:
        from .compose import SequentialPrimitive

        return SequentialPrimitive([other, self])

    def __or__(self, other: Primitive) -> WorkflowPrimitive[Any, Any]:
        from .compose import ParallelPrimitive

        return ParallelPrimitive([self, other])

    def __ror__(self, other: Function) -> WorkflowPrimitive[Any, Any]:
        from .compose import ParallelPrimitive

        return ParallelPrimitive([other, self])


def arguments_of(function: Callable[..., Any]) -> int:
    """How many of (value, context) a function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    places = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if any(one.kind == one.VAR_POSITIONAL for one in parameters):
        return 2
    return 2 if len([one for one in places if one.default is one.empty]) > 1 else 1


class LambdaPrimitive(WorkflowPrimitive[Any, Any]):
    """A function of (value) or (value, context), plain or async."""

    def __init__(self, function: Function, name: Optional[str] = None) -> None:
        if not callable(function):
            raise TypeError(f"a primitive or a function is expected, not {type(function).__name__}")
        self._function: Callable[..., Any] = function
        self._arguments = arguments_of(function)
        self._name = str(name or getattr(function, "__name__", type(function).__name__))

    @property
    def name(self) -> str:
        return self._name

    async def execute(self, input_data: Any, context: Optional[WorkflowContext] = None) -> Any:
        if self._arguments == 2:
            result = self._function(input_data, context if context is not None else WorkflowContext())
        else:
            result = self._function(input_data)
        return await result if inspect.isawaitable(result) else result


def as_primitive(given: Primitive) -> WorkflowPrimitive[Any, Any]:
    return given if isinstance(given, WorkflowPrimitive) else LambdaPrimitive(given)


def step_of(function: Callable[..., Any]) -> Callable[[Any, WorkflowContext], Any]:
    """A function of (value) or (value, context) as one of both."""
    two = arguments_of(function) == 2
    return lambda value, context: function(value, context) if two else function(value)


class NativePrimitive(WorkflowPrimitive[Any, Any]):
    """A primitive of libwarren. `build` makes the struct wr_primitive, out of references to those of `inner`, which it
    consumes."""

    def __init__(self, build: Callable[[Sequence[int]], int], inner: Sequence[Primitive] = ()) -> None:
        self._build = build
        self._inner = [as_primitive(one) for one in inner]
        self._lock = threading.Lock()
        self._made: Optional[Handle] = self._make()

    def _make(self) -> Handle:
        held: List[int] = []
        try:
            for one in self._inner:
                held.append(one.retain())
        except BaseException:
            for pointer in held:
                lib.wr_primitive_free(pointer)
            raise
        return Handle(self._build(held), lib.wr_primitive_free)

    @property
    def _handle(self) -> Handle:
        with self._lock:
            if self._made is None or self._made.closed:
                self._made = self._make()
            return self._made

    def retain(self) -> int:
        # A subclass that executes in its own way is a step of Python.
        if type(self).execute is not NativePrimitive.execute:
            return super().retain()
        with self._handle.use() as primitive:
            return int(lib.wr_primitive_ref(primitive))

    def stats(self) -> dict[str, Any]:
        with self._handle.use() as primitive:
            found: dict[str, Any] = take_value(lib.wr_primitive_stats(primitive))
        return found

    def _end(self) -> None:
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def close(self) -> None:
        """cleanup() for programs without an event loop; blocks until everything has ended."""
        self._end()
        for one in self._inner:
            if isinstance(one, NativePrimitive):
                one.close()

    async def cleanup(self) -> None:
        await in_thread(self._end, lambda: None)
        for one in self._inner:
            await one.cleanup()

    async def execute(self, input_data: Any, context: Optional[WorkflowContext] = None) -> Any:
        loop = asyncio.get_running_loop()
        whole = context if context is not None else WorkflowContext()
        whole._listen_on(loop)
        with whole.use() as workflow:
            part = whole._part(call(lib.wr_workflow_child, workflow, 0))
        given, handle = Handle(to_value(input_data), lib.wr_value_free), self._handle
        execution = Execution(loop, part)
        try:
            with part.use() as workflow:
                lib.wr_workflow_set_data(workflow, execution.number)
            code, result = await in_thread(lambda: self._blocking(handle, given, part, execution), part.cancel)
            if code.code:
                raise execution.error(code)
            part._listeners.check()
            return result
        finally:
            execution.forget()
            given.close()

    @staticmethod
    def _blocking(handle: Handle, given: Handle, part: WorkflowContext, execution: Execution) -> Tuple[wr_error, Any]:
        ret, err = c_void_p(), wr_error()
        with execution, handle.use() as primitive, given.use() as value, part.use() as workflow:
            if lib.wr_primitive_execute(primitive, value, workflow, byref(ret), byref(err)) < 0:
                return err, None
        return wr_error(), take_value(ret.value)

