"""Persistent sessions: sandboxes that are found again by a name, also by another process, paused when nobody needs them."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_void_p
from typing import Any, Dict, List, Optional

from ._calls import Token, awaited
from ._ffi import lib
from ._ffi.structs import wr_sessions_opts
from ._native import Handle, call, milliseconds, options, take_value, text
from .client import Client, SandboxOptions, pointer_of
from .execution import CodeExecutionPrimitive
from .sandbox import AsyncSandbox
from .supply import SandboxSupply


class _SessionSupply(SandboxSupply):
    """Leases the sandbox of one session."""

    manager: PersistentSandboxManager


class PersistentSandboxManager:
    """What belongs to which name is in an SQLite file (`path`; sessions.db in the state directory), which several processes may
    share. A session that is not paused ends `idle_timeout` seconds after its last use. Closing the manager leaves sessions
    as they are."""

    def __init__(self, path: Optional[str] = None, *, client: Optional[Client] = None,
                 sandbox: Optional[SandboxOptions] = None, template: Optional[str] = None,
                 idle_timeout: Optional[float] = None, max_sessions: Optional[int] = None) -> None:
        given = sandbox or SandboxOptions(template)
        opts = options(
            wr_sessions_opts, path=text(path), sandbox=ctypes.pointer(given.struct()), max_sessions=max_sessions,
            idle_timeout_s=None if idle_timeout is None else max(1, milliseconds(idle_timeout) // 1000))
        self._client = client or Client()
        with pointer_of(self._client) as pointer:
            self._handle = Handle(call(lib.wr_sessions_open, pointer, byref(opts)), lib.wr_sessions_free)

    async def _sandbox(self, function: Any, session_id: str) -> AsyncSandbox:
        def ask(token: Token) -> Handle:
            ret = c_void_p()
            with self._handle.use() as sessions:
                call(function, sessions, text(session_id), token.wait, byref(ret))
            return Handle(ret.value or 0, lib.wr_sandbox_free)

        return AsyncSandbox(await awaited(ask))

    async def _plain(self, function: Any, session_id: str) -> None:
        def ask(token: Token) -> None:
            with self._handle.use() as sessions:
                call(function, sessions, text(session_id), token.wait)

        await awaited(ask)

    async def create_session(self, session_id: str) -> AsyncSandbox:
        """`session_id`: 1 to 128 letters, digits, dots, dashes and underscores."""
        return await self._sandbox(lib.wr_sessions_create, session_id)

    async def pause_session(self, session_id: str) -> None:
        """UnsupportedError when the server cannot pause: the session goes on."""
        await self._plain(lib.wr_sessions_pause, session_id)

    async def resume_session(self, session_id: str) -> AsyncSandbox:
        """Running or paused; NotFoundError for one that has ended."""
        return await self._sandbox(lib.wr_sessions_resume, session_id)

    async def close_session(self, session_id: str) -> None:
        """Kills its sandbox and forgets it."""
        await self._plain(lib.wr_sessions_close, session_id)

    def list_sessions(self) -> List[Dict[str, Any]]:
        """[{"id", "sandbox_id", "state", "created_at", "used_at"}]"""
        ret = c_void_p()
        with self._handle.use() as sessions:
            call(lib.wr_sessions_list, sessions, byref(ret))
        found: List[Dict[str, Any]] = take_value(ret.value)
        return found

    def executor(self, session_id: str, **options_of_executor: Any) -> CodeExecutionPrimitive:
        """One with the session's memory; the sandbox is made or resumed when needed."""
        with self._handle.use() as sessions:
            supply = _SessionSupply.adopt(call(lib.wr_sessions_supply, sessions, text(session_id)))
        assert isinstance(supply, _SessionSupply)
        supply.manager = self  # has to live as long
        return CodeExecutionPrimitive(supply=supply, client=self._client, **options_of_executor)

    def close(self) -> None:
        self._handle.close()

    async def __aenter__(self) -> PersistentSandboxManager:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
