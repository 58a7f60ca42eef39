"""Where sandboxes come from: a pool, one that is kept and replaced in time, or a new one each time."""

from __future__ import annotations

import contextlib
import ctypes
from ctypes import byref
from typing import Any, ContextManager, Dict, Generator, Iterator, List, Optional

from ._calls import here, in_thread
from ._ffi import lib
from ._ffi.constants import WR_LEASE_DIRTY, WR_LEASE_DONE, WR_LEASE_LOST
from ._ffi.structs import wr_lease, wr_supply_opts
from ._native import Handle, call, milliseconds, options, take_value, text
from .client import Client, SandboxOptions, pointer_of
from .context import WorkflowContext
from .errors import FailedPreconditionError
from .sandbox import AsyncSandbox
from .telemetry import current

_ENDS = {"done": WR_LEASE_DONE, "dirty": WR_LEASE_DIRTY, "lost": WR_LEASE_LOST}


def supply_options(sandbox: SandboxOptions, *, create_timeout: Optional[float] = None, telemetry: Optional[int] = None,
                   **members: Any) -> Any:
    """A struct wr_supply_opts."""
    return options(wr_supply_opts, sandbox=ctypes.pointer(sandbox.struct()), telemetry=telemetry,
                   create_timeout_ms=milliseconds(create_timeout, "create_timeout"), **members)


class LeasedSandbox(AsyncSandbox):
    """A sandbox of a supply, for one use. `init_ms` is what getting it took, `fresh` whether nobody has used it before."""

    def __init__(self, supply: SandboxSupply, lease: Any) -> None:
        # A second holder of the handle: the lease's own goes with the lease.
        super().__init__(Handle(lib.wr_sandbox_ref(lease.sandbox), lib.wr_sandbox_free))
        self._supply, self._lease = supply, lease
        self.init_ms, self.fresh = float(lease.init_ms), bool(lease.fresh)


class _Acquiring:
    """Awaited it gives a sandbox; as an `async with` it releases it too."""

    def __init__(self, supply: SandboxSupply, context: Optional[WorkflowContext]) -> None:
        self._supply, self._context = supply, context
        self._sandbox: Optional[LeasedSandbox] = None

    def __await__(self) -> Generator[Any, None, LeasedSandbox]:
        return self._supply._acquire(self._context).__await__()

    async def __aenter__(self) -> LeasedSandbox:
        self._sandbox = await self
        return self._sandbox

    async def __aexit__(self, kind: object, *_: object) -> None:
        assert self._sandbox is not None
        await self._supply.release(self._sandbox, "done" if kind is None else "dirty")


class SandboxSupply:
    """Thread-safe. `async with` closes it, which kills its sandboxes."""

    _make: Any = None

    def __init__(self, client: Optional[Client], sandbox: SandboxOptions, **members: Any) -> None:
        telemetry = current()
        with pointer_of(client) as pointer:
            if telemetry is None:
                made = call(self._make, pointer, byref(supply_options(sandbox, **members)))
            else:
                with telemetry.use() as held:
                    made = call(self._make, pointer, byref(supply_options(sandbox, telemetry=held, **members)))
        self._handle = Handle(made, lib.wr_supply_free)
        self._leased: List[LeasedSandbox] = []

    @classmethod
    def adopt(cls, pointer: int) -> SandboxSupply:
        """One that C made."""
        supply = cls.__new__(cls)
        supply._handle, supply._leased = Handle(pointer, lib.wr_supply_free), []
        return supply

    def use(self) -> ContextManager[int]:
        """The struct wr_supply, as long as it is used."""
        return self._handle.use()

    def acquire(self, context: Optional[WorkflowContext] = None) -> _Acquiring:
        """`async with supply.acquire() as sandbox`, or `sandbox = await supply.acquire()` and release(). Waits as long as
        the context has time."""
        return _Acquiring(self, context)

    async def _acquire(self, context: Optional[WorkflowContext]) -> LeasedSandbox:
        whole = context if context is not None else WorkflowContext()
        part = whole.child()

        def take() -> LeasedSandbox:
            lease = wr_lease()
            with self.use() as supply, part.use() as workflow:
                call(lib.wr_supply_acquire, supply, workflow, byref(lease))
            return LeasedSandbox(self, lease)

        sandbox = await in_thread(take, part.cancel, lambda late: self._give_back(late, WR_LEASE_DONE))
        self._leased.append(sandbox)
        return sandbox

    async def release(self, sandbox: LeasedSandbox, end: str = "done") -> None:
        """`end`: "done", "dirty" (may not serve anybody else) or "lost" (it is gone)."""
        if sandbox not in self._leased:
            raise FailedPreconditionError("this supply has not leased that sandbox, or it was released already")
        self._leased.remove(sandbox)
        await in_thread(lambda: self._give_back(sandbox, _ENDS[end]), lambda: None)

    def _give_back(self, sandbox: LeasedSandbox, end: int) -> None:
        with self.use() as supply:
            lib.wr_supply_release(supply, byref(sandbox._lease), end)

    def stats(self) -> Dict[str, Any]:
        with self.use() as supply:
            return dict(take_value(lib.wr_supply_stats(supply)))

    def close(self) -> None:
        """Nobody gets a sandbox any more; those that are leased are killed as they are released, all others now."""
        if self._handle.closed:
            return
        with self.use() as supply:
            lib.wr_supply_close(supply)
        if not self._leased:
            self._handle.close()

    async def cleanup(self) -> None:
        await in_thread(self.close, lambda: None)

    async def __aenter__(self: Any) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        for sandbox in list(self._leased):
            await self.release(sandbox, "dirty")
        await self.cleanup()

    def __enter__(self: Any) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        here(self.close, lambda: None)


class SandboxPool(SandboxSupply):
    """Sandboxes that are ready before they are asked for; who waits is served in turn. Each is used once and replaced,
    unless `reset_in_place` is set: docs/guides/pool.md."""

    _make = lib.wr_supply_pool

    def __init__(self, size: int = 10, *, min_idle: int = 0, max_size: Optional[int] = None, reset_in_place: bool = False,
                 client: Optional[Client] = None, sandbox: Optional[SandboxOptions] = None, template: Optional[str] = None,
                 setup: Optional[str] = None, create_timeout: Optional[float] = None,
                 health_interval: Optional[float] = None) -> None:
        if size < 1:
            raise ValueError(f"size is at least 1, not {size}")
        super().__init__(client, sandbox or SandboxOptions(template), size=size, min_idle=min_idle, max=max_size,
                         reset_in_place=reset_in_place, setup=text(setup), create_timeout=create_timeout,
                         health_interval_ms=milliseconds(health_interval, "health_interval"))
        self.size = size

    async def initialize(self) -> None:
        """Waits until a sandbox is ready, so that what keeps them from being made is known now."""
        async with self.acquire():
            pass


class SessionRotator(SandboxSupply):
    """One sandbox that remembers, replaced before it is `max_age` seconds old."""

    _make = lib.wr_supply_session

    def __init__(self, max_age: float = 3300, *, carry_files: bool = False, carry_variables: bool = False,
                 client: Optional[Client] = None, sandbox: Optional[SandboxOptions] = None, template: Optional[str] = None,
                 setup: Optional[str] = None, create_timeout: Optional[float] = None) -> None:
        super().__init__(client, sandbox or SandboxOptions(template), carry_files=carry_files,
                         max_age_s=max(1, milliseconds(max_age, "max_age") // 1000), carry_variables=carry_variables,
                         setup=text(setup), create_timeout=create_timeout)


class EphemeralSupply(SandboxSupply):
    """A new sandbox for each use, killed at its end."""

    _make = lib.wr_supply_ephemeral

    def __init__(self, *, client: Optional[Client] = None, sandbox: Optional[SandboxOptions] = None,
                 template: Optional[str] = None, setup: Optional[str] = None,
                 create_timeout: Optional[float] = None) -> None:
        super().__init__(client, sandbox or SandboxOptions(template), setup=text(setup), create_timeout=create_timeout)


@contextlib.contextmanager
def embedded(supply: Optional[SandboxSupply], sandbox: SandboxOptions, **members: Any) -> Iterator[Dict[str, Any]]:
    """Members `supply` or `supply_opts` of a primitive's options."""
    if supply is None:
        yield {"supply_opts": ctypes.pointer(supply_options(sandbox, **members))}
    else:
        with supply.use() as pointer:
            yield {"supply": pointer}
