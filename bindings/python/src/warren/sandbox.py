"""Sandboxes: AsyncSandbox for coroutines, Sandbox for plain programs. Both have the same methods.

`timeout` is seconds: of create() until the sandbox ends by itself, of run_code() and commands.run() for what runs; and
`request_timeout` is how long the call may take.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, AsyncIterator, Dict, Generic, List, Mapping, Optional, Tuple, TypeVar

from ._calls import awaited, blocking
from ._native import Handle
from ._sandbox_calls import Calls, WatchListener, connect, create, pause_id
from .client import Client, SandboxOptions
from .context import Listeners, TextListener, ValueListener
from .errors import NotFoundError, RateLimitError, TimeoutError as DeadlineError, WarrenError
from .programs import AsyncCommands, Commands, Content
from .results import Execution

_EVENTS_MAX = 10_000


def _kill(handle: Handle) -> None:
    """Of a sandbox that was made when nobody wanted it any more."""
    blocking(Calls(handle).kill)


def _kill_forks(made: Tuple[List[Handle], Optional[WarrenError]]) -> None:
    for handle in made[0]:
        _kill(handle)


class Files:
    """Files of a Sandbox. Relative paths begin at the user's home."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def read(self, path: str, *, user: Optional[str] = None, max_bytes: Optional[int] = None) -> str:
        return self.read_bytes(path, user=user, max_bytes=max_bytes).decode()

    def read_bytes(self, path: str, *, user: Optional[str] = None, max_bytes: Optional[int] = None) -> bytes:
        return blocking(lambda token: self._calls.read(path, user, max_bytes, token))

    def write(self, path: str, content: Content, *, user: Optional[str] = None) -> None:
        self.write_all({path: content}, user=user)

    def write_all(self, files: Mapping[str, Content], *, user: Optional[str] = None) -> None:
        blocking(lambda token: self._calls.write(files, user, token))

    def list(self, path: str = ".", *, depth: int = 1, user: Optional[str] = None) -> List[Dict[str, Any]]:
        return blocking(lambda token: self._calls.list(path, user, depth, token))

    def stat(self, path: str, *, user: Optional[str] = None) -> Dict[str, Any]:
        return blocking(lambda token: self._calls.stat(path, user, token))

    def exists(self, path: str, *, user: Optional[str] = None) -> bool:
        try:
            self.stat(path, user=user)
        except NotFoundError:
            return False
        return True

    def make_dir(self, path: str, *, user: Optional[str] = None) -> None:
        blocking(lambda token: self._calls.make_dir(path, user, token))

    def rename(self, old: str, new: str, *, user: Optional[str] = None) -> None:
        blocking(lambda token: self._calls.rename(old, new, user, token))

    def remove(self, path: str, *, user: Optional[str] = None) -> None:
        blocking(lambda token: self._calls.remove(path, user, token))

    def watch(self, path: str, listener: WatchListener, *, recursive: bool = False,
              timeout: Optional[float] = None) -> None:
        """Calls `listener` with {"name", "type": "create", "write", "remove", "rename" or "chmod"} for each change below a
        directory, until it returns something true, or `timeout` seconds have passed."""
        try:
            blocking(lambda token: self._calls.watch(path, recursive, listener, token), timeout)
        except DeadlineError:
            if timeout is None:
                raise


class AsyncFiles:
    """Files of an AsyncSandbox."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def read(self, path: str, *, user: Optional[str] = None, max_bytes: Optional[int] = None) -> str:
        return (await self.read_bytes(path, user=user, max_bytes=max_bytes)).decode()

    async def read_bytes(self, path: str, *, user: Optional[str] = None, max_bytes: Optional[int] = None) -> bytes:
        return await awaited(lambda token: self._calls.read(path, user, max_bytes, token))

    async def write(self, path: str, content: Content, *, user: Optional[str] = None) -> None:
        await self.write_all({path: content}, user=user)

    async def write_all(self, files: Mapping[str, Content], *, user: Optional[str] = None) -> None:
        await awaited(lambda token: self._calls.write(files, user, token))

    async def list(self, path: str = ".", *, depth: int = 1, user: Optional[str] = None) -> List[Dict[str, Any]]:
        return await awaited(lambda token: self._calls.list(path, user, depth, token))

    async def stat(self, path: str, *, user: Optional[str] = None) -> Dict[str, Any]:
        return await awaited(lambda token: self._calls.stat(path, user, token))

    async def exists(self, path: str, *, user: Optional[str] = None) -> bool:
        try:
            await self.stat(path, user=user)
        except NotFoundError:
            return False
        return True

    async def make_dir(self, path: str, *, user: Optional[str] = None) -> None:
        await awaited(lambda token: self._calls.make_dir(path, user, token))

    async def rename(self, old: str, new: str, *, user: Optional[str] = None) -> None:
        await awaited(lambda token: self._calls.rename(old, new, user, token))

    async def remove(self, path: str, *, user: Optional[str] = None) -> None:
        await awaited(lambda token: self._calls.remove(path, user, token))

    async def watch(self, path: str, *, recursive: bool = False,
                    timeout: Optional[float] = None) -> AsyncIterator[Dict[str, Any]]:
        """`async for event in ...`: {"name", "type"} of each change below a directory, for `timeout` seconds."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Optional[Dict[str, Any]]] = asyncio.Queue()

        def heard(event: Dict[str, Any]) -> None:
            if queue.qsize() > _EVENTS_MAX:
                raise RateLimitError(f"more than {_EVENTS_MAX} events of {path} wait to be read")
            loop.call_soon_threadsafe(queue.put_nowait, event)

        task = asyncio.ensure_future(awaited(lambda token: self._calls.watch(path, recursive, heard, token), timeout))
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            with contextlib.suppress(*([DeadlineError] if timeout is not None else [])):
                task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])


F = TypeVar("F", Files, AsyncFiles)
C = TypeVar("C", Commands, AsyncCommands)


class _Common(Generic[F, C]):
    """What needs no request."""

    def __init__(self, handle: Handle, files: F, commands: C) -> None:
        self._calls = Calls(handle)
        self.files: F = files
        self.commands: C = commands

    @property
    def sandbox_id(self) -> str:
        return self._calls.sandbox_id

    def get_host(self, port: int) -> str:
        """Under which a port of the sandbox is reached from outside."""
        return self._calls.host(port)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sandbox_id}>"


class Sandbox(_Common[Files, Commands]):
    """For programs without an event loop. Leaving the `with` block kills it."""

    def __init__(self, handle: Handle) -> None:
        calls = Calls(handle)
        super().__init__(handle, Files(calls), Commands(handle))

    @classmethod
    def create(cls, template: Optional[str] = None, *, client: Optional[Client] = None,
               request_timeout: Optional[float] = None, **options: Any) -> Sandbox:
        """A new one; `options` as of SandboxOptions. Without `client` the environment says who is asked."""
        asked, given = client or Client(), SandboxOptions(template, **options)
        return cls(blocking(lambda token: create(asked, given, token), request_timeout, _kill))

    @classmethod
    def connect(cls, sandbox_id: str, *, timeout: Optional[float] = None, client: Optional[Client] = None) -> Sandbox:
        """One that exists; a paused one is resumed."""
        asked = client or Client()
        return cls(blocking(lambda token: connect(asked, sandbox_id, timeout, token)))

    def run_code(self, code: str, *, language: Optional[str] = None, context: Optional[str] = None,
                 envs: Optional[Mapping[str, str]] = None, timeout: Optional[float] = None,
                 on_stdout: Optional[TextListener] = None, on_stderr: Optional[TextListener] = None,
                 on_result: Optional[ValueListener] = None, on_error: Optional[ValueListener] = None) -> Execution:
        """Runs a cell; cells of one context share their state. An error of the code is in the result."""
        heard = Listeners(on_stdout, on_stderr, on_result, on_error)
        return blocking(lambda token: self._calls.run_code(
            code, token, language=language, context=context, envs=envs, timeout=timeout, heard=heard, loop=None))

    def create_context(self, language: Optional[str] = None, cwd: Optional[str] = None) -> str:
        return blocking(lambda token: self._calls.create_context(language, cwd, token))

    def list_contexts(self) -> List[Dict[str, Any]]:
        return blocking(self._calls.list_contexts)

    def restart_context(self, context: str) -> None:
        blocking(lambda token: self._calls.restart_context(context, token))

    def remove_context(self, context: str) -> None:
        blocking(lambda token: self._calls.remove_context(context, token))

    def set_timeout(self, timeout: float) -> None:
        blocking(lambda token: self._calls.set_timeout(timeout, token))

    def pause(self, *, level: Optional[str] = None, keep_memory: bool = True) -> Dict[str, Any]:
        """Until resume(), or whenever somebody connects to it: what runs stands still, and nothing is lost.

        `level` "hibernated" (the default): on the disk; "paged", "frozen": in memory, for a quick resume (Warren only). A dict
        with the "level" that was reached, and a "reason" when it is less; empty for a server that does not say. Without
        `keep_memory` its files alone are kept."""
        return blocking(lambda token: self._calls.pause(level, keep_memory, token))

    @classmethod
    def pause_id(cls, sandbox_id: str, *, level: Optional[str] = None, keep_memory: bool = True,
                 client: Optional[Client] = None) -> Dict[str, Any]:
        """The same for one that there is no object for; connect() would resume it first."""
        asked = client or Client()
        return blocking(lambda token: pause_id(asked, sandbox_id, level, keep_memory, token))

    def resume(self, *, timeout: Optional[float] = None, keep_memory: bool = True) -> None:
        """It goes on, for `timeout` seconds. Without `keep_memory` it boots from its files."""
        blocking(lambda token: self._calls.resume(timeout, keep_memory, token))

    def snapshot(self, name: Optional[str] = None, *, keep_memory: bool = True) -> Dict[str, Any]:
        """{"snapshotID", "names"}: what it is now. Sandbox.create() takes the id, or `name`, as a template."""
        return blocking(lambda token: self._calls.snapshot(name, keep_memory, token))

    def fork(self, count: int = 1, *, timeout: Optional[float] = None) -> List[Sandbox]:
        """New sandboxes that go on from where this one is, which goes on too. When not all could be made, those that were are
        killed, and the reason is raised; fork_some() gives them."""
        made, why = self.fork_some(count, timeout=timeout)
        if why is not None:
            for one in made:
                one.kill()
            raise why
        return made

    def fork_some(self, count: int, *, timeout: Optional[float] = None) -> Tuple[List[Sandbox], Optional[WarrenError]]:
        """Those that could be made, at least one, and why there are no more of them."""
        handles, why = blocking(lambda token: self._calls.fork(count, timeout, token), None, _kill_forks)
        return [Sandbox(handle) for handle in handles], why

    def rollback(self, snapshot_id: str, *, timeout: Optional[float] = None) -> None:
        """It becomes what it was in that snapshot of it, in place; what happened since is lost. Warren only."""
        blocking(lambda token: self._calls.rollback(snapshot_id, timeout, token))

    def info(self) -> Dict[str, Any]:
        return blocking(self._calls.info)

    def metrics(self) -> List[Dict[str, Any]]:
        return blocking(self._calls.metrics)

    def kill(self) -> None:
        blocking(self._calls.kill)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class AsyncSandbox(_Common[AsyncFiles, AsyncCommands]):
    """For coroutines. Leaving the `async with` block kills it."""

    def __init__(self, handle: Handle) -> None:
        calls = Calls(handle)
        super().__init__(handle, AsyncFiles(calls), AsyncCommands(handle))

    @classmethod
    async def create(cls, template: Optional[str] = None, *, client: Optional[Client] = None,
                     request_timeout: Optional[float] = None, **options: Any) -> AsyncSandbox:
        asked, given = client or Client(), SandboxOptions(template, **options)
        return cls(await awaited(lambda token: create(asked, given, token), request_timeout, _kill))

    @classmethod
    async def connect(cls, sandbox_id: str, *, timeout: Optional[float] = None,
                      client: Optional[Client] = None) -> AsyncSandbox:
        asked = client or Client()
        return cls(await awaited(lambda token: connect(asked, sandbox_id, timeout, token)))

    async def run_code(self, code: str, *, language: Optional[str] = None, context: Optional[str] = None,
                       envs: Optional[Mapping[str, str]] = None, timeout: Optional[float] = None,
                       on_stdout: Optional[TextListener] = None, on_stderr: Optional[TextListener] = None,
                       on_result: Optional[ValueListener] = None,
                       on_error: Optional[ValueListener] = None) -> Execution:
        heard, loop = Listeners(on_stdout, on_stderr, on_result, on_error), asyncio.get_running_loop()
        found = await awaited(lambda token: self._calls.run_code(
            code, token, language=language, context=context, envs=envs, timeout=timeout, heard=heard, loop=loop))
        heard.check()
        return found

    async def create_context(self, language: Optional[str] = None, cwd: Optional[str] = None) -> str:
        return await awaited(lambda token: self._calls.create_context(language, cwd, token))

    async def list_contexts(self) -> List[Dict[str, Any]]:
        return await awaited(self._calls.list_contexts)

    async def restart_context(self, context: str) -> None:
        await awaited(lambda token: self._calls.restart_context(context, token))

    async def remove_context(self, context: str) -> None:
        await awaited(lambda token: self._calls.remove_context(context, token))

    async def set_timeout(self, timeout: float) -> None:
        await awaited(lambda token: self._calls.set_timeout(timeout, token))

    async def pause(self, *, level: Optional[str] = None, keep_memory: bool = True) -> Dict[str, Any]:
        return await awaited(lambda token: self._calls.pause(level, keep_memory, token))

    @classmethod
    async def pause_id(cls, sandbox_id: str, *, level: Optional[str] = None, keep_memory: bool = True,
                       client: Optional[Client] = None) -> Dict[str, Any]:
        asked = client or Client()
        return await awaited(lambda token: pause_id(asked, sandbox_id, level, keep_memory, token))

    async def resume(self, *, timeout: Optional[float] = None, keep_memory: bool = True) -> None:
        await awaited(lambda token: self._calls.resume(timeout, keep_memory, token))

    async def snapshot(self, name: Optional[str] = None, *, keep_memory: bool = True) -> Dict[str, Any]:
        return await awaited(lambda token: self._calls.snapshot(name, keep_memory, token))

    async def fork(self, count: int = 1, *, timeout: Optional[float] = None) -> List[AsyncSandbox]:
        made, why = await self.fork_some(count, timeout=timeout)
        if why is not None:
            for one in made:
                await one.kill()
            raise why
        return made

    async def fork_some(self, count: int, *,
                        timeout: Optional[float] = None) -> Tuple[List[AsyncSandbox], Optional[WarrenError]]:
        handles, why = await awaited(lambda token: self._calls.fork(count, timeout, token), None, _kill_forks)
        return [AsyncSandbox(handle) for handle in handles], why

    async def rollback(self, snapshot_id: str, *, timeout: Optional[float] = None) -> None:
        await awaited(lambda token: self._calls.rollback(snapshot_id, timeout, token))

    async def info(self) -> Dict[str, Any]:
        return await awaited(self._calls.info)

    async def metrics(self) -> List[Dict[str, Any]]:
        return await awaited(self._calls.metrics)

    async def kill(self) -> None:
        await awaited(self._calls.kill)

    async def __aenter__(self) -> AsyncSandbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
