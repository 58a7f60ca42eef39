"""What can be asked of a sandbox, as blocking calls; Sandbox and AsyncSandbox make them here or in a thread."""

from __future__ import annotations

import asyncio
import ctypes
from ctypes import byref, c_size_t, c_void_p
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ._calls import Token
from ._ffi import lib
from ._ffi.constants import (
    WR_CONTEXT_ID_MAX, WR_FORK_MAX, WR_SANDBOX_FROZEN, WR_SANDBOX_HIBERNATED, WR_SANDBOX_LEVEL_DEFAULT, WR_SANDBOX_PAGED)
from ._ffi.structs import (
    wr_code_opts, wr_error, wr_file, wr_files_watch_fn, wr_fork_opts, wr_pause_opts, wr_resume_opts, wr_sandbox_opts,
    wr_snapshot_opts)
from ._native import (
    Handle, Registry, call, error_of, from_value, milliseconds, options, pairs, take_bytes, take_text, take_value, text,
    texts)
from .client import Client, SandboxOptions, pointer_of
from .context import Listeners, _listeners, on_event
from .errors import WarrenError
from .programs import Content
from .results import Execution

Loop = Optional[asyncio.AbstractEventLoop]
WatchListener = Callable[[Dict[str, Any]], Any]

_LEVELS = {None: WR_SANDBOX_LEVEL_DEFAULT, "frozen": WR_SANDBOX_FROZEN, "paged": WR_SANDBOX_PAGED,
           "hibernated": WR_SANDBOX_HIBERNATED}

_watchers = Registry()


class _Watcher:
    """Who hears of changes."""

    def __init__(self, listener: WatchListener) -> None:
        self.listener = listener
        self.error: Optional[BaseException] = None


def _changed(event: int, number: Optional[int]) -> int:
    watcher = _watchers.get(number)
    try:
        return 1 if watcher.listener(from_value(event)) else 0
    except BaseException as error:
        watcher.error = error
        return 1


_on_change: Any = wr_files_watch_fn(_changed)


def create(client: Client, given: SandboxOptions, token: Token) -> Handle:
    ret = c_void_p()
    opts: wr_sandbox_opts = given.struct()
    with pointer_of(client) as pointer:
        call(lib.wr_sandbox_create, pointer, byref(opts), token.wait, byref(ret))
    return Handle(ret.value or 0, lib.wr_sandbox_free)


def connect(client: Client, sandbox_id: str, timeout: Optional[float], token: Token) -> Handle:
    ret = c_void_p()
    with pointer_of(client) as pointer:
        call(lib.wr_sandbox_connect, pointer, text(sandbox_id), _seconds(timeout), token.wait, byref(ret))
    return Handle(ret.value or 0, lib.wr_sandbox_free)


def _seconds(timeout: Optional[float]) -> int:
    """None is 0, the default of C; anything else is at least 1."""
    return 0 if timeout is None else max(1, milliseconds(timeout) // 1000)


def _pause_options(level: Optional[str], keep_memory: bool) -> wr_pause_opts:
    if level not in _LEVELS:
        raise ValueError(f"level is one of {', '.join(name for name in _LEVELS if name)}, not {level!r}")
    made: wr_pause_opts = options(wr_pause_opts, level=_LEVELS[level], files_only=not keep_memory)
    return made


def pause_id(client: Client, sandbox_id: str, level: Optional[str], keep_memory: bool, token: Token) -> Dict[str, Any]:
    ret, opts = c_void_p(), _pause_options(level, keep_memory)
    with pointer_of(client) as pointer:
        call(lib.wr_sandbox_pause_id, pointer, text(sandbox_id), byref(opts), token.wait, byref(ret))
    return dict(take_value(ret.value))


class Calls:
    """Of one sandbox."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    @property
    def sandbox_id(self) -> str:
        with self.handle.use() as sandbox:
            return str(lib.wr_sandbox_id(sandbox).decode())

    def host(self, port: int) -> str:
        ret = c_void_p()
        with self.handle.use() as sandbox:
            call(lib.wr_sandbox_host, sandbox, port, byref(ret))
        return take_text(ret.value)

    # ---- its life ----

    def kill(self, token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_sandbox_kill, sandbox, token.wait)

    def set_timeout(self, timeout: float, token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_sandbox_set_timeout, sandbox, _seconds(timeout), token.wait)

    def pause(self, level: Optional[str], keep_memory: bool, token: Token) -> Dict[str, Any]:
        return dict(self._value(lib.wr_sandbox_pause, byref(_pause_options(level, keep_memory)), token.wait))

    def resume(self, timeout: Optional[float], keep_memory: bool, token: Token) -> None:
        opts = options(wr_resume_opts, timeout_s=_seconds(timeout), files_only=not keep_memory)
        with self.handle.use() as sandbox:
            call(lib.wr_sandbox_resume, sandbox, byref(opts), token.wait)

    def snapshot(self, name: Optional[str], keep_memory: bool, token: Token) -> Dict[str, Any]:
        opts = options(wr_snapshot_opts, name=text(name), files_only=not keep_memory)
        return dict(self._value(lib.wr_snapshot_create, byref(opts), token.wait))

    def fork(self, count: int, timeout: Optional[float], token: Token) -> Tuple[List[Handle], Optional[WarrenError]]:
        """Those that were made, and why there are no more of them."""
        if not 1 <= count <= WR_FORK_MAX:
            raise ValueError(f"count is 1 to {WR_FORK_MAX}, not {count!r}")
        opts = options(wr_fork_opts, count=count, timeout_s=_seconds(timeout))
        made, number, why = (c_void_p * count)(), c_size_t(), wr_error()
        with self.handle.use() as sandbox:
            result = lib.wr_sandbox_fork(sandbox, byref(opts), token.wait, made, byref(number), byref(why))
        if result < 0:
            raise error_of(why)
        handles = [Handle(address or 0, lib.wr_sandbox_free) for address in made[:number.value]]
        return handles, error_of(why) if len(handles) < count else None

    def rollback(self, snapshot_id: str, timeout: Optional[float], token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_sandbox_rollback, sandbox, text(snapshot_id), _seconds(timeout), token.wait)

    def info(self, token: Token) -> Dict[str, Any]:
        return dict(self._value(lib.wr_sandbox_info, token.wait))

    def metrics(self, token: Token) -> List[Dict[str, Any]]:
        return list(self._value(lib.wr_sandbox_metrics, token.wait))

    def _value(self, function: Any, *arguments: Any) -> Any:
        ret = c_void_p()
        with self.handle.use() as sandbox:
            call(function, sandbox, *arguments, byref(ret))
        return take_value(ret.value)

    # ---- code ----

    def run_code(self, code: str, token: Token, *, language: Optional[str], context: Optional[str],
                 envs: Optional[Mapping[str, str]], timeout: Optional[float], heard: Listeners, loop: Loop) -> Execution:
        heard.loop = loop
        number = _listeners.put(heard) if heard else 0
        names, ret = pairs(envs), c_void_p()
        opts = options(wr_code_opts, code=text(code), language=text(language), context_id=text(context),
                       envs=texts(names), env_count=len(names), timeout_ms=milliseconds(timeout),
                       on_event=on_event if number else None, on_event_data=number or None)
        try:
            with self.handle.use() as sandbox:
                call(lib.wr_code_run, sandbox, byref(opts), token.wait, byref(ret))
        except BaseException:
            heard.check()
            raise
        finally:
            _listeners.drop(number)
        return Execution.of(take_value(ret.value))

    def create_context(self, language: Optional[str], cwd: Optional[str], token: Token) -> str:
        made = ctypes.create_string_buffer(WR_CONTEXT_ID_MAX)
        with self.handle.use() as sandbox:
            call(lib.wr_code_context_create, sandbox, text(language), text(cwd), token.wait, made)
        return made.value.decode()

    def list_contexts(self, token: Token) -> List[Dict[str, Any]]:
        return list(self._value(lib.wr_code_context_list, token.wait))

    def restart_context(self, context: str, token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_code_context_restart, sandbox, text(context), token.wait)

    def remove_context(self, context: str, token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_code_context_remove, sandbox, text(context), token.wait)

    # ---- files ----

    def read(self, path: str, user: Optional[str], max_bytes: Optional[int], token: Token) -> bytes:
        ret, length = c_void_p(), c_size_t()
        with self.handle.use() as sandbox:
            call(lib.wr_files_read, sandbox, text(path), text(user), max_bytes or 0, token.wait, byref(ret), byref(length))
        return take_bytes(ret.value or 0, length.value)

    def write(self, files: Mapping[str, Content], user: Optional[str], token: Token) -> None:
        array = (wr_file * len(files))()
        kept = []  # the array holds addresses only
        for entry, (path, content) in zip(array, files.items()):
            data = content.encode() if isinstance(content, str) else bytes(content)
            kept.append(data)
            entry.path, entry.bytes, entry.len = text(path), ctypes.cast(ctypes.c_char_p(data), c_void_p), len(data)
        with self.handle.use() as sandbox:
            call(lib.wr_files_write_all, sandbox, array, len(files), text(user), token.wait)
        del kept

    def list(self, path: str, user: Optional[str], depth: int, token: Token) -> List[Dict[str, Any]]:
        return [*self._value(lib.wr_files_list, text(path), text(user), depth, token.wait)]

    def stat(self, path: str, user: Optional[str], token: Token) -> Dict[str, Any]:
        return dict(self._value(lib.wr_files_stat, text(path), text(user), token.wait))

    def make_dir(self, path: str, user: Optional[str], token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_files_make_dir, sandbox, text(path), text(user), token.wait)

    def rename(self, old: str, new: str, user: Optional[str], token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_files_rename, sandbox, text(old), text(new), text(user), token.wait)

    def watch(self, path: str, recursive: bool, listener: WatchListener, token: Token) -> None:
        watcher = _Watcher(listener)
        number = _watchers.put(watcher)
        try:
            with self.handle.use() as sandbox:
                call(lib.wr_files_watch, sandbox, text(path), recursive, token.wait, _on_change, number)
        finally:
            _watchers.drop(number)
        if watcher.error is not None:
            raise watcher.error

    def remove(self, path: str, user: Optional[str], token: Token) -> None:
        with self.handle.use() as sandbox:
            call(lib.wr_files_remove, sandbox, text(path), text(user), token.wait)
