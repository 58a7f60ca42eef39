"""CodeTestingPrimitive: code against cases, and projects with tests of their own."""

from __future__ import annotations

from ctypes import byref
from typing import Any, Dict, Mapping, Optional, Sequence

from ._ffi import lib
from ._ffi.structs import wr_tester_opts
from ._native import call, milliseconds, options
from .client import Client, SandboxOptions, pointer_of
from .context import WorkflowContext
from .primitive import NativePrimitive
from .supply import SandboxSupply, embedded


class CodeTestingPrimitive(NativePrimitive):
    """Input: {"code", "test_cases": [{"name", "input", "expected_output" | "expected_regex" | "expected_number"}]}, or
    {"project": a directory or an archive, "runner": "pytest" or "unittest"}. Output: {"success", "outcome", "tests_passed",
    "tests_failed", "results", "junit_xml", ...}. Each case has a new sandbox, unless a `supply` is given."""

    def __init__(self, *, supply: Optional[SandboxSupply] = None, client: Optional[Client] = None,
                 sandbox: Optional[SandboxOptions] = None, template: Optional[str] = None,
                 max_concurrent: Optional[int] = None, case_timeout: Optional[float] = None,
                 project_timeout: Optional[float] = None, max_output_size: Optional[int] = None) -> None:
        self._client, self._supply = client or Client(), supply
        self._sandbox = sandbox or SandboxOptions(template)
        self._members = {
            "max_concurrent": max_concurrent, "case_timeout_ms": milliseconds(case_timeout, "case_timeout"),
            "project_timeout_ms": milliseconds(project_timeout, "project_timeout"), "max_output": max_output_size}
        super().__init__(self._build_tester)

    def _build_tester(self, _: Sequence[int]) -> int:
        with pointer_of(self._client) as client, embedded(self._supply, self._sandbox) as where:
            return int(call(lib.wr_tester_new, client, byref(options(wr_tester_opts, **self._members, **where))))

    async def test(self, code: str, test_cases: Sequence[Mapping[str, Any]],
                   context: Optional[WorkflowContext] = None) -> Dict[str, Any]:
        """execute({"code": code, "test_cases": test_cases})."""
        found: Dict[str, Any] = await self.execute(
            {"code": code, "test_cases": [dict(case) for case in test_cases]}, context)
        return found
