"""The exceptions of the package.

Every one is a WarrenError; those that have a counterpart among Python's own are that as well, so that `except ValueError`
and `except TimeoutError` do what one expects.
"""

from __future__ import annotations

import builtins
from typing import Optional, Type


class WarrenError(Exception):
    """`code` is the name of the Connect protocol ("unavailable"), `retry_after` seconds that the other side asks to wait."""

    default_code = "unknown"

    def __init__(self, message: str = "", *, code: Optional[str] = None, retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.retry_after = retry_after


class InvalidInputError(WarrenError, ValueError):
    """The request is wrong and stays wrong: code is missing, an option does not exist."""

    default_code = "invalid_argument"


class TimeoutError(WarrenError, builtins.TimeoutError):
    """The code, or the time that the caller gave, ran out. The code has been stopped."""

    default_code = "deadline_exceeded"


class CanceledError(WarrenError):
    """The workflow was cancelled by WorkflowContext.cancel(). (A cancelled asyncio task raises asyncio's CancelledError.)"""

    default_code = "canceled"


class NotFoundError(WarrenError, LookupError):
    default_code = "not_found"


class AlreadyExistsError(WarrenError):
    default_code = "already_exists"


class FailedPreconditionError(WarrenError):
    """Not in this state: a budget that is used up, refinement that found no code that runs."""

    default_code = "failed_precondition"


class UnsupportedError(WarrenError, NotImplementedError):
    """This server, or this version, cannot do that."""

    default_code = "unimplemented"


class E2BError(WarrenError):
    """The service: not reachable, failing, or it does not take the key."""


class ServiceError(E2BError):
    """Network, server, or a sandbox that went away."""

    default_code = "unavailable"


class RateLimitError(E2BError):
    """Too much at once, or too often. `retry_after` may say when it passes."""

    default_code = "resource_exhausted"


class AuthenticationError(E2BError):
    """The key is missing or wrong."""

    default_code = "unauthenticated"


class PermissionDeniedError(E2BError):
    """The key may not do that."""

    default_code = "permission_denied"


class PolicyViolationError(PermissionDeniedError, ValueError):
    """The rules of a SecureCodeExecutor refuse the code; `report` has all violations."""

    def __init__(self, message: str = "", *, code: Optional[str] = None, retry_after: Optional[float] = None) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.report: object = None


class CircuitBreakerError(ServiceError):
    """A circuit breaker is open: nothing was tried."""

    def __init__(self, failure_count: int = 0, last_error: object = None, *, message: Optional[str] = None,
                 retry_after: Optional[float] = None) -> None:
        super().__init__(message or f"the circuit breaker is open after {failure_count} failures: {last_error}",
                         retry_after=retry_after)
        self.failure_count = failure_count
        self.last_error = last_error


_CLASSES: tuple[Type[WarrenError], ...] = (
    InvalidInputError, TimeoutError, CanceledError, NotFoundError, AlreadyExistsError, FailedPreconditionError,
    UnsupportedError, ServiceError, RateLimitError, AuthenticationError, PermissionDeniedError,
)
_BY_CODE = {one.default_code: one for one in _CLASSES}
_BY_CODE["out_of_range"] = InvalidInputError


def class_of(code: str) -> Type[WarrenError]:
    """The exception for a code; what has none of its own is an error of the service."""
    return _BY_CODE.get(code, ServiceError)
