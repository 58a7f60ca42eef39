"""Calling libwarren: errors become exceptions, values become Python's, pointers have owners."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import threading
import weakref
from ctypes import byref, c_void_p
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence

from . import errors
from ._ffi import lib
from ._ffi.structs import wr_error


def text(value: Optional[str]) -> Optional[bytes]:
    """A C string, or NULL. A NUL inside would cut it off in silence."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"text is expected, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError("text with a NUL character")
    return value.encode()


def texts(values: Sequence[str]) -> Any:
    """An array of C strings, or NULL for none."""
    return (ctypes.c_char_p * len(values))(*[text(value) for value in values]) if values else None


def pairs(values: Optional[Mapping[str, str]]) -> List[str]:
    """A mapping as "name=value"."""
    found = []
    for name, value in (values or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"names and values are text, not {name!r}: {value!r}")
        if not name or "=" in name:
            raise ValueError(f"{name!r} cannot be a name")
        found.append(f"{name}={value}")
    return found


def milliseconds(seconds: Optional[float], what: str = "timeout") -> int:
    """None is 0, the default of C; anything else is at least 1."""
    if seconds is None:
        return 0
    if not 0 < seconds < 1e9:
        raise ValueError(f"{what} is a number of seconds above 0, not {seconds!r}")
    return max(1, round(seconds * 1000))


def options(kind: Any, **members: Any) -> Any:
    """A struct of options; members that are None keep their default."""
    made = kind(**{name: value for name, value in members.items() if value is not None})
    made.struct_size = ctypes.sizeof(made)
    return made


# ---- errors ----


def message_of(err: wr_error) -> str:
    return bytes(err.msg).decode(errors="replace")


def error_of(err: wr_error) -> errors.WarrenError:
    """The exception for a filled struct wr_error."""
    code = lib.wr_code_name(err.code).decode()
    message = message_of(err)
    retry_after = err.retry_after_ms / 1000 if err.retry_after_ms else None
    return errors.class_of(code)(message, code=code, retry_after=retry_after)


def call(function: Any, *arguments: Any) -> Any:
    """Calls a function whose last argument is struct wr_error; a negative or NULL result is raised."""
    err = wr_error()
    result = function(*arguments, byref(err))
    if result is None or result < 0:
        raise error_of(err)
    return result


# ---- values ----


def _check(value: Any, where: str) -> None:
    """Whether a value is JSON. The encoder alone would turn keys that are no text into text."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where}: keys are text, not {type(key).__name__} {key!r}")
            _check(member, f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            _check(member, f"{where}[{index}]")
    else:
        raise TypeError(f"{where}: {type(value).__name__} is not JSON; steps pass dicts, lists, text, numbers, True, "
                        "False and None")


def to_value(value: Any, what: str = "input") -> int:
    """A new struct wr_value, the caller's. TypeError and ValueError for what JSON has not."""
    _check(value, what)
    encoded = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    made = c_void_p()
    call(lib.wr_value_parse, encoded, len(encoded), byref(made))
    return int(made.value or 0)


def from_value(pointer: Optional[int]) -> Any:
    """What a value, that is borrowed, says; None for NULL."""
    if not pointer:
        return None
    return json.loads(take_text(lib.wr_value_text(pointer)))


def take_value(pointer: Optional[int]) -> Any:
    """The same, and the value is freed."""
    try:
        return from_value(pointer)
    finally:
        lib.wr_value_free(pointer)


def take_text(address: Optional[int]) -> str:
    """Text that is to be freed with wr_free()."""
    if not address:
        raise MemoryError("libwarren is out of memory")
    try:
        return ctypes.string_at(address).decode()
    finally:
        lib.wr_free(address)


def take_bytes(address: int, length: int) -> bytes:
    try:
        return ctypes.string_at(address, length)
    finally:
        lib.wr_free(address)


@contextlib.contextmanager
def value(given: Any, what: str = "input") -> Iterator[Optional[int]]:
    """A struct wr_value for one call; NULL for None."""
    pointer = None if given is None else to_value(given, what)
    try:
        yield pointer
    finally:
        lib.wr_value_free(pointer)


# ---- owners ----


class Handle:
    """Owns a pointer and frees it once: by close(), when it is collected, or at the end of the program, and never while
    a call uses it. A child of fork() can neither use nor free it: the threads behind it are not in the child, and the
    sandboxes are its parent's."""

    def __init__(self, pointer: int, free: Callable[[int], Any]) -> None:
        self._state = _State(pointer, free)
        weakref.finalize(self, self._state.close)

    @contextlib.contextmanager
    def use(self) -> Iterator[int]:
        pointer = self._state.enter()
        try:
            yield pointer
        finally:
            self._state.leave()

    def close(self) -> None:
        self._state.close()

    @property
    def closed(self) -> bool:
        return self._state.closed

    @property
    def is_of_this_process(self) -> bool:
        return self._state.pid == os.getpid()


class _State:
    def __init__(self, pointer: int, free: Callable[[int], Any]) -> None:
        self.pointer, self.free = pointer, free
        self.users, self.closed = 0, False
        self.pid = os.getpid()
        # A finalizer may run in the middle of anything, also of these methods.
        self.lock = threading.RLock()

    def enter(self) -> int:
        if self.pid != os.getpid():
            raise errors.FailedPreconditionError("it was made before os.fork(), by the parent: make another one")
        with self.lock:
            if self.closed:
                raise errors.FailedPreconditionError("it is closed")
            self.users += 1
            return self.pointer

    def leave(self) -> None:
        if self.pid != os.getpid():
            return
        with self.lock:
            self.users -= 1
            last = self.closed and self.users == 0
        if last:
            self.free(self.pointer)

    def close(self) -> None:
        # In a child the lock may be held by a thread that is not there.
        if self.pid != os.getpid():
            return
        with self.lock:
            last = not self.closed and self.users == 0
            self.closed = True
        if last:
            self.free(self.pointer)


class Registry:
    """Objects that C knows by a number: a pointer to a Python object would say nothing about its life."""

    def __init__(self) -> None:
        # No lock, which a child of fork() might find held: each of the operations is one step.
        self._objects: dict[int, Any] = {}
        self._numbers = itertools.count(1)

    def put(self, entry: Any) -> int:
        number = next(self._numbers)
        self._objects[number] = entry
        return number

    def get(self, number: Optional[int]) -> Any:
        """None for one that has gone."""
        return self._objects.get(number or 0)

    def drop(self, number: Optional[int]) -> None:
        self._objects.pop(number or 0, None)

    def __len__(self) -> int:
        return len(self._objects)
