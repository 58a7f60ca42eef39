"""All primitives, as `from warren.primitives import CodeExecutionPrimitive`."""

from .cache import CacheBackend, CachePrimitive, MemoryCache, RedisCache, SQLiteCache
from .compose import (
    BranchPrimitive, ConditionalPrimitive, IterativeRefinementPrimitive, ParallelPrimitive, SequentialPrimitive, branch)
from .context import WorkflowContext
from .coordinate import Barrier, Channel, Lease, Leases
from .errors import CircuitBreakerError, E2BError, PolicyViolationError, WarrenError
from .execution import CodeExecutionPrimitive, E2BPrimitive, validate_code
from .ledger import Ledger
from .limits import BudgetPrimitive, BudgetState, RateLimitPrimitive
from .orchestrate import SandboxOrchestrator
from .primitive import LambdaPrimitive, WorkflowPrimitive
from .recovery import (
    CircuitBreakerConfig, CircuitBreakerPrimitive, FallbackPrimitive, RetryPrimitive, RetryStrategy, TimeoutPrimitive)
from .secure import AuditLog, Redactor, RedactorOptions, SecureCodeExecutor
from .sessions import PersistentSandboxManager
from .supply import EphemeralSupply, LeasedSandbox, SandboxPool, SandboxSupply, SessionRotator
from .telemetry import Telemetry, initialize_observability, shutdown_observability
from .testing import CodeTestingPrimitive

__all__ = [
    "AuditLog", "Barrier", "BranchPrimitive", "BudgetPrimitive", "BudgetState", "CacheBackend", "CachePrimitive", "Channel",
    "CircuitBreakerConfig", "CircuitBreakerError", "CircuitBreakerPrimitive", "CodeExecutionPrimitive",
    "CodeTestingPrimitive", "ConditionalPrimitive", "E2BError", "E2BPrimitive", "EphemeralSupply", "FallbackPrimitive",
    "IterativeRefinementPrimitive", "LambdaPrimitive", "Lease", "LeasedSandbox", "Leases", "Ledger", "MemoryCache",
    "ParallelPrimitive", "PersistentSandboxManager", "PolicyViolationError", "RateLimitPrimitive", "RedisCache", "Redactor",
    "RedactorOptions", "RetryPrimitive", "RetryStrategy", "SQLiteCache", "SandboxOrchestrator", "SandboxPool",
    "SandboxSupply", "SecureCodeExecutor", "SequentialPrimitive", "SessionRotator", "Telemetry", "TimeoutPrimitive",
    "WarrenError", "WorkflowContext", "WorkflowPrimitive", "branch", "initialize_observability", "shutdown_observability",
    "validate_code",
]
