"""Many tasks over few sandboxes."""

from __future__ import annotations

import logging
import weakref
from ctypes import byref
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ._ffi import lib
from ._ffi.constants import WR_SHARE_BLACKBOARD, WR_SHARE_NONE, WR_SHARE_VOLUME
from ._ffi.structs import wr_orchestrator_opts, wr_orchestrator_opts_on_result
from ._native import Registry, call, from_value, milliseconds, options, text
from .client import Client, SandboxOptions, pointer_of
from .context import WorkflowContext
from .primitive import NativePrimitive
from .supply import SandboxSupply, embedded

_SHARES = {None: WR_SHARE_NONE, "volume": WR_SHARE_VOLUME, "blackboard": WR_SHARE_BLACKBOARD}
_listeners = Registry()
_log = logging.getLogger("warren")


def _result(index: int, result: int, number: Optional[int]) -> None:
    listener = _listeners.get(number)
    if listener is None:
        return
    try:
        listener(index, from_value(result))
    except BaseException:
        _log.exception("the listener of an orchestrator's results failed")


_on_result: Any = wr_orchestrator_opts_on_result(_result)


class SandboxOrchestrator(NativePrimitive):
    """Input: {"tasks": [an executor's input each, and "id" if wanted]}. Output: {"results" in the order of the tasks,
    "succeeded", "failed", "skipped", "wall_ms", "max_running"}. A task that fails is a result.

    At most `max_concurrent` sandboxes at once, from `supply` or new ones. `share`: "volume" (of the server) or "blackboard"
    (a directory of this machine, copied), found in the sandboxes at `share_path`. `on_result` is called with (index, result)
    as tasks end, one at a time, from a thread of the library."""

    def __init__(self, max_concurrent: int = 5, *, supply: Optional[SandboxSupply] = None, client: Optional[Client] = None,
                 sandbox: Optional[SandboxOptions] = None, template: Optional[str] = None,
                 task_timeout: Optional[float] = None, stop_on_failure: bool = False, share: Optional[str] = None,
                 share_path: Optional[str] = None, blackboard_dir: Optional[str] = None,
                 max_blackboard_bytes: Optional[int] = None, max_retries: Optional[int] = None,
                 ledger: Optional[str] = None,
                 on_result: Optional[Callable[[int, Dict[str, Any]], Any]] = None) -> None:
        if share not in _SHARES:
            raise ValueError(f'share is "volume", "blackboard" or None, not {share!r}')
        if max_concurrent < 1:
            raise ValueError(f"max_concurrent is at least 1, not {max_concurrent}")
        self._client, self._supply = client or Client(), supply
        self._sandbox = sandbox or SandboxOptions(template)
        number = _listeners.put(on_result) if on_result is not None else 0
        if number:
            weakref.finalize(self, _listeners.drop, number)
        self._members = {
            "max_concurrent": max_concurrent, "task_timeout_ms": milliseconds(task_timeout, "task_timeout"),
            "stop_on_failure": stop_on_failure, "share": _SHARES[share], "share_path": text(share_path),
            "blackboard_dir": text(blackboard_dir), "max_blackboard_bytes": max_blackboard_bytes,
            "max_retries": max_retries, "ledger_path": text(ledger),
            "on_result": _on_result if number else None, "on_result_data": number or None}
        super().__init__(self._build_orchestrator)

    def _build_orchestrator(self, _: Sequence[int]) -> int:
        with pointer_of(self._client) as client, embedded(self._supply, self._sandbox) as where:
            return int(call(lib.wr_orchestrator_new, client, byref(options(
                wr_orchestrator_opts, **self._members, **where))))

    async def run(self, tasks: Sequence[Mapping[str, Any]], context: Optional[WorkflowContext] = None) -> List[Dict[str, Any]]:
        """The results of execute({"tasks": tasks})."""
        found = await self.execute({"tasks": [dict(task) for task in tasks]}, context)
        results: List[Dict[str, Any]] = found["results"]
        return results
