"""Results that were there before."""

from __future__ import annotations

import weakref
from ctypes import byref
from typing import Any, Callable, Optional

from ._execution import cache_key, steps
from ._ffi import lib
from ._ffi.structs import wr_cache_opts
from ._native import Handle, call, milliseconds, options, text
from .primitive import NativePrimitive, Primitive, step_of


class CacheBackend:
    """Where results are kept; several caches may share one."""

    def __init__(self, pointer: int) -> None:
        self._handle = Handle(pointer, lib.wr_cache_store_free)

    def retain(self) -> int:
        """A struct wr_cache_store for somebody else to hold and free."""
        with self._handle.use() as store:
            return int(lib.wr_cache_store_ref(store))

    def close(self) -> None:
        self._handle.close()


class MemoryCache(CacheBackend):
    """In memory; the least recently used go first."""

    def __init__(self, max_entries: int = 0, max_bytes: int = 0) -> None:
        super().__init__(call(lib.wr_cache_memory, max_entries, max_bytes))


class SQLiteCache(CacheBackend):
    """In a file that several processes may share."""

    def __init__(self, path: str, max_bytes: int = 0) -> None:
        super().__init__(call(lib.wr_cache_sqlite, text(path), max_bytes))


class RedisCache(CacheBackend):
    """ "redis://[user:password@]host[:6379][/db]" or "unix:///path". A Redis that fails is a miss, not an error."""

    def __init__(self, url: str = "redis://localhost:6379", prefix: Optional[str] = None) -> None:
        super().__init__(call(lib.wr_cache_redis, text(url), text(prefix)))


class CachePrimitive(NativePrimitive):
    """Results are kept `ttl_seconds` long, failures not at all; concurrent executions with one key run once.

    The key function, of (value) or (value, context), gives what decides the result as text, or None for what is not to be
    cached. Without one it is code, language, env, template, timeout, files and install. `scope` is part of every key."""

    def __init__(self, primitive: Primitive, cache_key_fn: Optional[Callable[..., Any]] = None,
                 ttl_seconds: Optional[float] = 3600, *, key_fn: Optional[Callable[..., Any]] = None,
                 backend: Optional[CacheBackend] = None, scope: Optional[str] = None) -> None:
        if cache_key_fn is not None and key_fn is not None:
            raise ValueError("cache_key_fn and key_fn are the same: give one of them")
        asked = cache_key_fn or key_fn
        number = steps.put(step_of(asked)) if asked is not None else 0
        if number:
            weakref.finalize(self, steps.drop, number)
        self.backend = backend or MemoryCache()
        ttl_ms, said = milliseconds(ttl_seconds, "ttl_seconds"), text(scope)

        def build(held: Any) -> int:
            return int(call(lib.wr_cache_new, *held, byref(options(
                wr_cache_opts, store=self.backend.retain(), ttl_ms=ttl_ms, key=cache_key if number else None,
                key_data=number or None, scope=said))))

        super().__init__(build, [primitive])

    def clear_cache(self) -> None:
        """Forgets everything of its store."""
        with self._handle.use() as primitive:
            call(lib.wr_cache_clear, primitive)
