"""Runs untrusted code in sandboxes: Warren's, E2B's, or those of a private Warren that is started on demand.

    from warren.primitives import CodeExecutionPrimitive

Everything that is public can be imported from here too; sandboxes themselves are Sandbox and AsyncSandbox.
"""

from . import primitives as _primitives
from ._ffi import lib as _lib
from .client import Client, SandboxOptions
from .errors import (
    AlreadyExistsError, AuthenticationError, CanceledError, CircuitBreakerError, E2BError, FailedPreconditionError,
    InvalidInputError, NotFoundError, PermissionDeniedError, PolicyViolationError, RateLimitError, ServiceError,
    TimeoutError, UnsupportedError, WarrenError)
from .primitives import *
from .programs import AsyncProgram, Program
from .results import CommandResult, Execution, ExecutionError
from .sandbox import AsyncSandbox, Sandbox

__version__: str = _lib.wr_version().decode()

__all__ = [
    "AlreadyExistsError", "AsyncProgram", "AsyncSandbox", "AuthenticationError", "CanceledError", "CircuitBreakerError", "Client",
    "CommandResult", "E2BError", "Execution", "ExecutionError", "FailedPreconditionError", "InvalidInputError",
    "NotFoundError", "PermissionDeniedError", "PolicyViolationError", "Program", "RateLimitError", "Sandbox", "SandboxOptions",
    "ServiceError", "TimeoutError", "UnsupportedError", "WarrenError", *_primitives.__all__,
]
