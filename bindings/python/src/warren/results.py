"""What running something gave."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Optional


@dataclasses.dataclass(frozen=True)
class ExecutionError:
    """An error of the code itself."""

    name: str
    value: str
    traceback: str

    def __str__(self) -> str:
        return f"{self.name}: {self.value}" if self.value else self.name


@dataclasses.dataclass(frozen=True)
class Execution:
    """Of a cell. `output` is both streams as they came, `results` rich results: {format: text} each."""

    stdout: str
    stderr: str
    output: str
    results: List[Dict[str, Any]]
    error: Optional[ExecutionError]
    execution_count: int
    time_ms: float
    stdout_dropped: int
    stderr_dropped: int

    @classmethod
    def of(cls, found: Dict[str, Any]) -> Execution:
        error = found.get("error")
        return cls(
            stdout=found["stdout"], stderr=found["stderr"], output=found["output"], results=found["results"],
            error=ExecutionError(error["name"], error["value"], error["traceback"]) if error else None,
            execution_count=found.get("execution_count") or 0, time_ms=found["time_ms"],
            stdout_dropped=found.get("stdout_dropped", 0), stderr_dropped=found.get("stderr_dropped", 0))

    @property
    def text(self) -> Optional[str]:
        """Of the last expression."""
        return next((one.get("text") for one in self.results if one.get("is_main_result")), None)


@dataclasses.dataclass(frozen=True)
class CommandResult:
    """Of a program. An exit status that is not 0 is no exception."""

    exit_code: int
    signal: int
    stdout: str
    stderr: str
    stdout_dropped: int
    stderr_dropped: int
    time_ms: float

    @classmethod
    def of(cls, found: Dict[str, Any]) -> CommandResult:
        return cls(**{field.name: found.get(field.name, 0) for field in dataclasses.fields(cls)})
