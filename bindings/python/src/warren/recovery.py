"""When something fails: again, not longer than, something else instead, not at all for a while."""

from __future__ import annotations

import dataclasses
from ctypes import byref
from typing import Any, Dict, Iterable, Optional, Sequence, Union

from ._ffi import lib
from ._ffi.constants import (
    WR_BACKOFF_CONSTANT, WR_BACKOFF_EXPONENTIAL, WR_BACKOFF_LINEAR, WR_CLASS_ACCESS, WR_CLASS_CANCELED, WR_CLASS_CODE,
    WR_CLASS_INPUT, WR_CLASS_RATE_LIMIT, WR_CLASS_SERVICE, WR_CLASS_TIMEOUT)
from ._ffi.structs import wr_breaker_opts, wr_fallback_opts, wr_retry_opts
from ._native import call, milliseconds, options
from .primitive import NativePrimitive, Primitive

Classes = Union[str, Iterable[str]]

_BACKOFF = {"exponential": WR_BACKOFF_EXPONENTIAL, "linear": WR_BACKOFF_LINEAR, "constant": WR_BACKOFF_CONSTANT}
_CLASSES = {"input": WR_CLASS_INPUT, "timeout": WR_CLASS_TIMEOUT, "rate_limit": WR_CLASS_RATE_LIMIT,
            "service": WR_CLASS_SERVICE, "access": WR_CLASS_ACCESS, "canceled": WR_CLASS_CANCELED, "code": WR_CLASS_CODE}


def classes(names: Optional[Classes]) -> Optional[int]:
    """Names of classes of errors, joined."""
    if names is None:
        return None
    joined = 0
    for name in [names] if isinstance(names, str) else names:
        if name not in _CLASSES:
            raise ValueError(f"classes of errors are {', '.join(_CLASSES)}; not {name!r}")
        joined |= _CLASSES[name]
    if not joined:
        raise ValueError("no class of errors is named")
    return joined


@dataclasses.dataclass
class RetryStrategy:
    """`backoff_base` is the factor between delays, `max_backoff` the longest one in seconds."""

    max_retries: int = 3
    backoff_base: float = 2.0
    max_backoff: float = 60.0
    jitter: bool = True
    initial_delay: float = 1.0


class RetryPrimitive(NativePrimitive):
    """Tries again, `max_retries` times after the first attempt. `backoff_strategy` is "exponential", "linear" or "constant".

    `retry_on` names classes of errors: by default "rate_limit" and "service". Errors of the input stay errors and are not
    tried again; with "code" also results whose `success` is False."""

    def __init__(self, primitive: Primitive, max_retries: Optional[int] = None, backoff_strategy: str = "exponential", *,
                 strategy: Optional[RetryStrategy] = None, initial_delay: Optional[float] = None,
                 backoff_factor: Optional[float] = None, max_delay: Optional[float] = None, jitter: Optional[bool] = None,
                 retry_on: Optional[Classes] = None) -> None:
        if backoff_strategy not in _BACKOFF:
            raise ValueError(f"backoff_strategy is one of {', '.join(_BACKOFF)}, not {backoff_strategy!r}")
        given: Dict[str, Any] = {
            "max_retries": max_retries, "backoff_base": backoff_factor, "max_backoff": max_delay, "jitter": jitter,
            "initial_delay": initial_delay}
        chosen = dataclasses.replace(
            strategy or RetryStrategy(), **{name: member for name, member in given.items() if member is not None})
        if chosen.max_retries < 1:
            raise ValueError(f"max_retries is at least 1, not {chosen.max_retries}")
        self.strategy = chosen
        opts = options(
            wr_retry_opts, max_retries=chosen.max_retries, backoff=_BACKOFF[backoff_strategy],
            delay_ms=milliseconds(chosen.initial_delay, "initial_delay"), factor=chosen.backoff_base,
            max_delay_ms=milliseconds(chosen.max_backoff, "max_backoff"), no_jitter=not chosen.jitter,
            classes=classes(retry_on))
        super().__init__(lambda held: int(call(lib.wr_retry_new, *held, byref(opts))), [primitive])


class TimeoutPrimitive(NativePrimitive):
    """At most `timeout_seconds`: then the inner primitive is cancelled, and `fallback` runs in its place or TimeoutError is
    raised. The context's state gets "timeout_count" and "timeout_history"."""

    def __init__(self, primitive: Primitive, timeout_seconds: float, fallback: Optional[Primitive] = None) -> None:
        timeout_ms = milliseconds(timeout_seconds, "timeout_seconds")

        def build(held: Sequence[int]) -> int:
            return int(call(lib.wr_timeout_new, held[0], timeout_ms, held[1] if len(held) > 1 else None))

        super().__init__(build, [primitive] if fallback is None else [primitive, fallback])


class FallbackPrimitive(NativePrimitive):
    """When `primary` fails `fallback` gets the same input; when both fail the first error is raised. `on` names the classes of
    errors that count: all but "input" and "canceled"."""

    def __init__(self, primary: Primitive, fallback: Primitive, *, on: Optional[Classes] = None) -> None:
        opts = options(wr_fallback_opts, classes=classes(on))
        super().__init__(lambda held: int(call(lib.wr_fallback_new, *held, byref(opts))), [primary, fallback])


@dataclasses.dataclass
class CircuitBreakerConfig:
    """`failure_threshold` failures one after the other open it for `recovery_timeout` seconds; then one probe at a time, and
    `success_threshold` successes close it."""

    failure_threshold: int = 5
    recovery_timeout: float = 60.0
    success_threshold: int = 2
    failures: Optional[Classes] = None

    def __post_init__(self) -> None:
        for name in ("failure_threshold", "recovery_timeout", "success_threshold"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is above 0, not {getattr(self, name)}")


class CircuitBreakerPrimitive(NativePrimitive):
    """Open it raises CircuitBreakerError at once. `failures` of its configuration names the classes of errors that count:
    "service", "rate_limit" and "timeout" by default."""

    def __init__(self, primitive: Primitive, config: Optional[CircuitBreakerConfig] = None) -> None:
        self.config = config or CircuitBreakerConfig()
        opts = options(
            wr_breaker_opts, failure_threshold=self.config.failure_threshold,
            success_threshold=self.config.success_threshold,
            recovery_timeout_ms=milliseconds(self.config.recovery_timeout), classes=classes(self.config.failures))
        super().__init__(lambda held: int(call(lib.wr_breaker_new, *held, byref(opts))), [primitive])

    @property
    def state(self) -> str:
        """"closed", "open" or "half_open"."""
        return str(self.stats()["state"])

    @property
    def failure_count(self) -> int:
        return int(self.stats()["failure_count"])

    @property
    def success_count(self) -> int:
        return int(self.stats()["success_count"])

    def reset(self) -> None:
        """Closes it."""
        with self._handle.use() as primitive:
            call(lib.wr_breaker_reset, primitive)
