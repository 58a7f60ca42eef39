"""The ledger: what was used and how it went, in an SQLite file that processes share."""

from __future__ import annotations

from ctypes import byref, c_void_p
from typing import Any, Dict, Optional

from ._ffi import lib
from ._ffi.structs import wr_slo_opts
from ._native import Handle, call, milliseconds, options, take_value, text


def _seconds(period: Optional[float]) -> int:
    return 0 if period is None else max(1, milliseconds(period, "period") // 1000)


class Ledger:
    """`path`: what CodeExecutionPrimitive(ledger=...) and BudgetPrimitive(ledger=...) write; None: ledger.db in the state
    directory, which `warren usage` and `warren slo` read."""

    def __init__(self, path: Optional[str] = None) -> None:
        self._handle = Handle(call(lib.wr_ledger_open, text(path)), lib.wr_ledger_free)

    def usage(self, period: Optional[float] = None) -> Dict[str, Any]:
        """Of the last `period` seconds (30 days): "executions", "succeeded", "failed", "errors", "sandbox_hours", ..."""
        ret = c_void_p()
        with self._handle.use() as ledger:
            call(lib.wr_ledger_usage, ledger, _seconds(period), byref(ret))
        return dict(take_value(ret.value))

    def slo(self, period: Optional[float] = None, *, create_p95_ms: Optional[float] = None,
            success_rate: Optional[float] = None) -> Dict[str, Any]:
        """Service level against its targets (creation within 200 ms for 95 of 100, 99 of 100 without an error of the
        service): "create", "success", "error_budget", "met"."""
        ret = c_void_p()
        opts = options(wr_slo_opts, period_s=_seconds(period), create_p95_ms=create_p95_ms, success_rate=success_rate)
        with self._handle.use() as ledger:
            call(lib.wr_ledger_slo, ledger, byref(opts), byref(ret))
        return dict(take_value(ret.value))

    def close(self) -> None:
        self._handle.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
