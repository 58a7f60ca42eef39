"""SecureCodeExecutor: rules for code, redaction of what comes out, an audit log.

Rules keep well-meaning code on its way and make a report; they are no wall. The sandbox is.
"""

from __future__ import annotations

import ctypes
import dataclasses
from ctypes import byref, c_size_t, c_void_p
from typing import Any, Dict, Mapping, Optional, Sequence

from ._ffi import lib
from ._ffi.structs import wr_redactor_opts, wr_secure_opts
from ._native import Handle, call, options, take_bytes, take_value, text, texts, value
from .client import Client, SandboxOptions, pointer_of
from .execution import CodeExecutionPrimitive
from .primitive import NativePrimitive, Primitive


@dataclasses.dataclass
class RedactorOptions:
    """What counts as a secret: the default patterns, `patterns` (PCRE2), `literals` as they are, and, with `min_entropy`
    (bits per character), words of `min_entropy_length` characters that look random."""

    patterns: Sequence[str] = ()
    literals: Sequence[str] = ()
    no_defaults: bool = False
    min_entropy: Optional[float] = None
    min_entropy_length: Optional[int] = None
    replacement: Optional[str] = None

    def struct(self) -> Any:
        return options(
            wr_redactor_opts, no_defaults=self.no_defaults, patterns=texts(self.patterns), pattern_count=len(self.patterns),
            literals=texts(self.literals), literal_count=len(self.literals), min_entropy=self.min_entropy,
            min_entropy_length=self.min_entropy_length, replacement=text(self.replacement))


class Redactor:
    """Replaces secrets in text. Thread-safe; its streams are for one thread at a time."""

    def __init__(self, patterns: Sequence[str] = (), literals: Sequence[str] = (), **members: Any) -> None:
        given = RedactorOptions(patterns, literals, **members)
        self._handle = Handle(call(lib.wr_redactor_new, byref(given.struct())), lib.wr_redactor_free)
        self.count = 0

    def redact(self, given: str) -> str:
        """The text without its secrets. `count` says how many there were in all texts so far."""
        data = given.encode()
        ret, length, replaced = c_void_p(), c_size_t(), c_size_t()
        with self._handle.use() as redactor:
            call(lib.wr_redact, redactor, data, len(data), byref(ret), byref(length), byref(replaced))
        self.count += replaced.value
        return take_bytes(ret.value or 0, length.value).decode(errors="replace")

    def stream(self) -> RedactionStream:
        return RedactionStream(self)


class RedactionStream:
    """A text in pieces: a secret that lies across the border of two is found too, so some bytes wait for the next piece."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor  # has to live as long
        with redactor._handle.use() as pointer:
            self._handle = Handle(call(lib.wr_redaction_new, pointer), lib.wr_redaction_free)

    def feed(self, piece: bytes, last: bool = False) -> bytes:
        """What is safe by now; all that is left, with `last`."""
        ret, length = c_void_p(), c_size_t()
        with self._handle.use() as redaction:
            call(lib.wr_redaction_feed, redaction, piece, len(piece), last, byref(ret), byref(length))
        return take_bytes(ret.value or 0, length.value)


class AuditLog:
    """A file of JSON objects, one per line, each with the SHA-256 of the one before it. Several processes may append."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._handle = Handle(call(lib.wr_audit_open, text(path)), lib.wr_audit_free)

    def append(self, record: Mapping[str, Any]) -> None:
        """On disk when it returns; time and chain are added."""
        with self._handle.use() as audit, value(dict(record), "record") as pointer:
            call(lib.wr_audit_append, audit, pointer)

    @staticmethod
    def verify(path: str, expected_hash: Optional[str] = None) -> Dict[str, Any]:
        """{"records", "first_time", "last_time", "last_hash"}; WarrenError names the first line that does not fit. With
        `expected_hash`, what an earlier look found last, it sees too when the end was cut off."""
        ret = c_void_p()
        call(lib.wr_audit_verify, text(path), text(expected_hash), byref(ret))
        return dict(take_value(ret.value))

    def close(self) -> None:
        self._handle.close()

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SecureCodeExecutor(NativePrimitive):
    """Around an executor (CodeExecutionPrimitive() by default). Code that the rules refuse raises PolicyViolationError, a
    ValueError, with `report`. Output is redacted, and has "redactions".

    `policy`: {"imports": {"deny", "allow"}, "calls": {"deny"}, ...}, see docs/guides/secure.md; None: os.system, subprocess,
    eval and exec are denied; False: no rules. `redactor` False: no redaction. `audit`: the path of an audit log, with the
    code itself if `audit_code`. The code is read in a sandbox of its own, which `checker_client` and `checker_sandbox`
    describe."""

    def __init__(self, executor: Optional[Primitive] = None, *, policy: Any = None,
                 redactor: Any = None, max_per_second: Optional[float] = None, audit: Optional[str] = None,
                 audit_code: bool = False, checker_client: Optional[Client] = None,
                 checker_sandbox: Optional[SandboxOptions] = None) -> None:
        inner = executor if executor is not None else CodeExecutionPrimitive()
        if checker_client is None and isinstance(inner, CodeExecutionPrimitive):
            checker_client = inner._client
        self._checker, self._checker_sandbox = checker_client, checker_sandbox
        self._policy, self._redactor = policy, redactor
        self._members = {"max_per_second": max_per_second, "audit_path": text(audit), "audit_code": audit_code,
                         "no_policy": policy is False, "no_redaction": redactor is False}
        super().__init__(self._build_secure, [inner])

    def _build_secure(self, held: Sequence[int]) -> int:
        members: Dict[str, Any] = dict(self._members)
        if isinstance(self._redactor, RedactorOptions):
            members["redactor"] = ctypes.pointer(self._redactor.struct())
        if self._checker_sandbox is not None:
            members["checker_sandbox"] = ctypes.pointer(self._checker_sandbox.struct())
        with pointer_of(self._checker) as client, value(self._policy or None, "policy") as policy:
            opts = options(wr_secure_opts, policy=policy, checker_client=client, **members)
            return int(call(lib.wr_secure_new, *held, byref(opts)))
