"""One after the other, side by side, one or the other, and again until it works."""

from __future__ import annotations

import inspect
from ctypes import byref, c_void_p
from typing import Any, Callable, List, Optional, Sequence
import weakref

from ._execution import choose, steps
from ._ffi import lib
from ._ffi.structs import wr_parallel_opts, wr_refine_opts
from ._native import call, options
from .context import WorkflowContext
from .primitive import LambdaPrimitive, NativePrimitive, Primitive, as_primitive, step_of


def _array(pointers: Sequence[int]) -> Any:
    return (c_void_p * len(pointers))(*pointers)


class SequentialPrimitive(NativePrimitive):
    """The output of each step is the input of the next."""

    def __init__(self, primitives: Sequence[Primitive]) -> None:
        self.primitives: List[Any] = []
        for one in map(as_primitive, primitives):
            self.primitives += one.primitives if type(one) is SequentialPrimitive else [one]
        if not self.primitives:
            raise ValueError("a sequence needs a step")
        super().__init__(lambda held: int(call(lib.wr_seq, _array(held), len(held))), self.primitives)


class ParallelPrimitive(NativePrimitive):
    """All get the same input; the output is a list in their order. The first failure cancels the others and is raised;
    with `keep_going` it is that branch's result instead, {"error": {"code", "message"}}."""

    def __init__(self, primitives: Sequence[Primitive], *, max_concurrent: Optional[int] = None,
                 keep_going: bool = False) -> None:
        self.primitives: List[Any] = []
        self.max_concurrent, self.keep_going = max_concurrent, keep_going
        for one in map(as_primitive, primitives):
            flat = type(one) is ParallelPrimitive and one.max_concurrent is None and not one.keep_going
            self.primitives += one.primitives if isinstance(one, ParallelPrimitive) and flat else [one]
        if not self.primitives:
            raise ValueError("a parallel primitive needs a branch")
        opts = options(wr_parallel_opts, max_concurrent=max_concurrent, keep_going=keep_going)
        super().__init__(lambda held: int(call(lib.wr_parallel, _array(held), len(held), byref(opts))), self.primitives)


class BranchPrimitive(NativePrimitive):
    """`chooser` is a function of (value) or (value, context) that gives the number of the branch to take."""

    def __init__(self, chooser: Callable[..., Any], primitives: Sequence[Primitive]) -> None:
        if not primitives:
            raise ValueError("a branch is needed")
        number = steps.put(step_of(chooser))
        weakref.finalize(self, steps.drop, number)
        super().__init__(lambda held: int(call(lib.wr_branch, _array(held), len(held), choose, number)), primitives)


def branch(chooser: Callable[..., Any], *primitives: Primitive) -> BranchPrimitive:
    return BranchPrimitive(chooser, primitives)


def _unchanged(value: Any) -> Any:
    return value


class ConditionalPrimitive(BranchPrimitive):
    """`condition` is a function of (value) or (value, context). Without `else_primitive` the value passes unchanged."""

    def __init__(self, condition: Callable[..., Any], then_primitive: Primitive,
                 else_primitive: Optional[Primitive] = None) -> None:
        asked = step_of(condition)

        async def number(value: Any, context: WorkflowContext) -> int:
            answer = asked(value, context)
            return 0 if (await answer if inspect.isawaitable(answer) else answer) else 1

        super().__init__(number, [then_primitive, else_primitive or LambdaPrimitive(_unchanged, "unchanged")])


class IterativeRefinementPrimitive(NativePrimitive):
    """`generator` gets {"input", "attempt", "history": [{"attempt", "code", "error"}]} and gives {"code": ...} or text;
    `executor` runs it; until that succeeds. After the last attempt FailedPreconditionError, and the context's state has
    "refine_history"."""

    def __init__(self, generator: Primitive, executor: Optional[Primitive] = None, *, max_attempts: int = 3) -> None:
        if max_attempts < 1:
            raise ValueError(f"max_attempts is at least 1, not {max_attempts}")
        if executor is None:
            from .execution import CodeExecutionPrimitive

            executor = CodeExecutionPrimitive()
        opts = options(wr_refine_opts, max_attempts=max_attempts)
        super().__init__(lambda held: int(call(lib.wr_refine_new, *held, byref(opts))), [generator, executor])
