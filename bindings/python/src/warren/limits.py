"""Not too often, not too much."""

from __future__ import annotations

import dataclasses
import logging
import weakref
from ctypes import byref
from typing import Any, Callable, Optional

from ._ffi import lib
from ._ffi.structs import wr_budget_opts, wr_budget_opts_on_level, wr_rate_opts
from ._native import Registry, call, milliseconds, options, text
from .primitive import NativePrimitive, Primitive

_LEVELS = ("fine", "warn", "stop")
_listeners = Registry()
_log = logging.getLogger("warren")


class RateLimitPrimitive(NativePrimitive):
    """`per_second` executions, `burst` at once (one second's). Waits up to `max_wait` seconds for its turn; None refuses at
    once: RateLimitError with `retry_after`."""

    def __init__(self, primitive: Primitive, per_second: float, *, burst: Optional[int] = None,
                 max_wait: Optional[float] = None) -> None:
        if not per_second > 0:
            raise ValueError(f"per_second is above 0, not {per_second}")
        opts = options(wr_rate_opts, per_second=per_second, burst=burst, max_wait_ms=milliseconds(max_wait, "max_wait"))
        super().__init__(lambda held: int(call(lib.wr_rate_limit_new, *held, byref(opts))), [primitive])


@dataclasses.dataclass(frozen=True)
class BudgetState:
    """`level`: "fine", "warn" or "stop"; `limit`: which one it is about."""

    level: str
    limit: str
    used: float
    allowed: float


def _level(state: Any, number: Optional[int]) -> None:
    listener = _listeners.get(number)
    if listener is None:
        return
    try:
        found = state.contents
        listener(BudgetState(_LEVELS[found.level], (found.limit or b"").decode(), found.used, found.allowed))
    except BaseException:
        _log.exception("the listener of a budget failed")


_on_level: Any = wr_budget_opts_on_level(_level)


class BudgetPrimitive(NativePrimitive):
    """Limits of what is used in `period` seconds (30 days): hours of sandboxes, cost (`cost_per_second` of a sandbox, in the
    unit of `max_cost`), and executions at once. Beyond them FailedPreconditionError; too many at once: RateLimitError.
    `ledger` is a file that remembers beyond this process. `on_level` is called with a BudgetState, from the thread that
    executes."""

    def __init__(self, primitive: Primitive, *, max_sandbox_hours: Optional[float] = None, max_cost: Optional[float] = None,
                 cost_per_second: Optional[float] = None, max_concurrent: Optional[int] = None,
                 warn_at: Optional[float] = None, period: Optional[float] = None, ledger: Optional[str] = None,
                 on_level: Optional[Callable[[BudgetState], Any]] = None) -> None:
        number = _listeners.put(on_level) if on_level is not None else 0
        if number:
            weakref.finalize(self, _listeners.drop, number)
        opts = options(
            wr_budget_opts, max_sandbox_hours=max_sandbox_hours, max_cost=max_cost, cost_per_second=cost_per_second,
            max_concurrent=max_concurrent, warn_at=warn_at, ledger_path=text(ledger),
            period_s=None if period is None else max(1, milliseconds(period, "period") // 1000),
            on_level=_on_level if number else None, on_level_data=number or None)
        super().__init__(lambda held: int(call(lib.wr_budget_new, *held, byref(opts))), [primitive])
