"""CodeExecutionPrimitive: runs code in a sandbox and tells what happened."""

from __future__ import annotations

import os
from ctypes import byref
from typing import Any, Dict, Mapping, Optional, Sequence

from ._ffi import lib
from ._ffi.constants import WR_EPHEMERAL
from ._ffi.structs import wr_executor_opts
from ._native import call, milliseconds, options, text, value
from .client import Client, SandboxOptions, pointer_of
from .context import WorkflowContext
from .primitive import NativePrimitive
from .supply import SandboxPool, SandboxSupply, SessionRotator, embedded

MODES = ("ephemeral", "session", "pooled")


DEFAULT_TIMEOUT = 30.0


def _timeout(given: float) -> float:
    """What was given; else E2B_TIMEOUT, else 30. Whether it was given shows in its identity: a 30 of the caller's own is
    another object."""
    text_of_it = os.environ.get("E2B_TIMEOUT")
    if given is not DEFAULT_TIMEOUT or not text_of_it:
        return given
    try:
        return float(text_of_it)
    except ValueError:
        raise ValueError(f"E2B_TIMEOUT is a number of seconds, not {text_of_it!r}") from None


class CodeExecutionPrimitive(NativePrimitive):
    """Input: {"code", "language", "timeout" (seconds), "files", "install", "env"}; only `code` is needed. Output: {"success",
    "output", "logs", "stdout", "stderr", "error" ("Class: message"), "execution_time_ms", "sandbox_id", "results",
    "truncated", ...}. Code that fails by itself is no exception: `success` is False.

    Raises ValueError for an input that is wrong, TimeoutError for code that ran too long (it has been stopped), and
    E2BError when the service fails.

    `mode`: "ephemeral" (a sandbox for each execution), "session" (one that remembers, replaced before it is
    `session_max_age` seconds old) or "pooled" (a clean one out of `pool_size`); or a `supply` of one's own. `timeout` is
    seconds (30, or E2B_TIMEOUT), `max_output_size` characters of each text. `default_timeout` and `template_id` are other
    names of `timeout` and `template`.
    """

    def __init__(self, api_key: Optional[str] = None, timeout: float = DEFAULT_TIMEOUT,
                 template: Optional[str] = None, enable_pip_install: bool = True, max_output_size: int = 10_000, *,
                 default_timeout: Optional[float] = None, template_id: Optional[str] = None, mode: str = "ephemeral",
                 session_max_age: float = 3300, carry_files: bool = False, carry_variables: bool = False, pool_size: int = 10,
                 supply: Optional[SandboxSupply] = None, client: Optional[Client] = None,
                 sandbox: Optional[SandboxOptions] = None, enable_internet: bool = True, setup: Optional[str] = None,
                 env: Optional[Mapping[str, str]] = None, language: Optional[str] = None,
                 install_timeout: Optional[float] = None, create_timeout: Optional[float] = None,
                 ledger: Optional[str] = None) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
        if max_output_size < 1:
            raise ValueError(f"max_output_size is at least 1, not {max_output_size}")
        if client is not None and api_key is not None:
            raise ValueError("a client has its own key: give client or api_key")
        self.timeout = default_timeout if default_timeout is not None else _timeout(timeout)
        self.template, self.mode = template or template_id, mode
        self._client = client or Client(api_key)
        self._sandbox = sandbox or SandboxOptions(self.template, allow_internet_access=enable_internet)
        self._supply = supply
        self._owned: Optional[SandboxSupply] = None
        self._setup, self._create_timeout = setup, create_timeout
        self._session: Dict[str, Any] = {
            "max_age": session_max_age, "carry_files": carry_files, "carry_variables": carry_variables}
        self._pool_size = pool_size
        self._env = dict(env) if env else None
        self._members = {
            "mode": WR_EPHEMERAL, "timeout_ms": milliseconds(self.timeout), "max_output": max_output_size,
            "install_timeout_ms": milliseconds(install_timeout, "install_timeout"), "no_install": not enable_pip_install,
            "language": text(language), "ledger_path": text(ledger)}
        super().__init__(self._build_executor)

    def _make_supply(self) -> Optional[SandboxSupply]:
        common: Dict[str, Any] = {"client": self._client, "sandbox": self._sandbox, "setup": self._setup,
                                  "create_timeout": self._create_timeout}
        if self._supply is not None:
            return self._supply
        if self.mode == "session":
            self._owned = SessionRotator(**self._session, **common)
        elif self.mode == "pooled":
            self._owned = SandboxPool(self._pool_size, **common)
        return self._owned

    def _build_executor(self, _: Sequence[int]) -> int:
        supply = self._make_supply()
        where = embedded(supply, self._sandbox, create_timeout=self._create_timeout, setup=text(self._setup))
        with pointer_of(self._client) as client, value(self._env, "env") as env, where as members:
            return int(call(lib.wr_executor_new, client, byref(options(
                wr_executor_opts, env=env, **self._members, **members))))

    @property
    def supply(self) -> Optional[SandboxSupply]:
        """Where its sandboxes come from; None when each execution makes one."""
        return self._supply or self._owned

    def _end(self) -> None:
        super()._end()
        # Wrappers may hold the primitive of C; the sandboxes end all the same.
        owned, self._owned = self._owned, None
        if owned is not None:
            owned.close()

    async def run(self, code: str, context: Optional[WorkflowContext] = None, **members: Any) -> Dict[str, Any]:
        """execute({"code": code, ...})."""
        found: Dict[str, Any] = await self.execute({"code": code, **members}, context)
        return found


E2BPrimitive = CodeExecutionPrimitive


async def validate_code(code: str, executor: Optional[NativePrimitive] = None,
                        context: Optional[WorkflowContext] = None) -> bool:
    """Whether code runs without an error."""
    found = await (executor or CodeExecutionPrimitive()).execute({"code": code}, context)
    return bool(found["success"])
