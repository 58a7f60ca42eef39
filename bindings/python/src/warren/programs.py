"""Programs in a sandbox: run to their end, or followed while they run.

A command is a text, a line for bash, or a list, a program and its arguments. `timeout` is the seconds after which a program
is killed (60).
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import ctypes
import signal
import threading
import time
import weakref
from ctypes import byref, c_void_p
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from ._calls import Token, awaited, blocking
from ._ffi import lib
from ._ffi.constants import WR_STDERR
from ._ffi.structs import wr_program_opts, wr_program_output_fn
from ._native import Handle, Registry, call, milliseconds, options, pairs, take_value, text, texts
from .context import TextListener
from .errors import TimeoutError as DeadlineError, WarrenError
from .results import CommandResult

Content = Union[str, bytes]
Command = Union[str, Sequence[str]]
Loop = Optional[asyncio.AbstractEventLoop]

_outputs = Registry()
_SLICE_SECONDS = 0.1
_KILLED_SECONDS = 5.0


class _Output:
    """Who hears a program's output. Called on the event loop, if there is one, else in the thread that waits."""

    def __init__(self, on_stdout: Optional[TextListener], on_stderr: Optional[TextListener], loop: Loop) -> None:
        self.listeners = {True: on_stderr, False: on_stdout}
        # A piece may end within a character.
        self.decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in self.listeners}
        self.loop = loop
        self.error: Optional[BaseException] = None

    def __bool__(self) -> bool:
        return any(self.listeners.values())

    def tell(self, is_error: bool, piece: bytes) -> None:
        listener = self.listeners[is_error]
        said = self.decoders[is_error].decode(piece)
        if listener is None or not said:
            return
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._hear, listener, said)
        else:
            listener(said)

    def _hear(self, listener: TextListener, said: str) -> None:
        try:
            listener(said)
        except Exception as error:
            self.error = self.error or error

    def check(self) -> None:
        """Raises what a listener raised; it counts more than the cancellation that followed from it."""
        error, self.error = self.error, None
        if error is not None:
            raise error


def _output(stream: int, address: int, length: int, number: Optional[int]) -> int:
    output = _outputs.get(number)
    if output is None:
        return 0
    try:
        if output.error is None:
            output.tell(stream == WR_STDERR, ctypes.string_at(address, length))
    except BaseException as error:
        output.error = error
    return 0 if output.error is None else 1


_on_output: Any = wr_program_output_fn(_output)


def _options(command: Command, number: int, *, envs: Optional[Mapping[str, str]], cwd: Optional[str], user: Optional[str],
             stdin: Optional[Content], timeout: Optional[float], **members: Any) -> Any:
    names = pairs(envs)
    argv = [] if isinstance(command, str) else list(command)
    fed = stdin.encode() if isinstance(stdin, str) else stdin
    return options(
        wr_program_opts, command=text(command) if isinstance(command, str) else None, argv=texts(argv),
        argv_count=len(argv), envs=texts(names), env_count=len(names), cwd=text(cwd), user=text(user),
        timeout_ms=milliseconds(timeout), input_len=len(fed or b""),
        input=ctypes.cast(ctypes.c_char_p(fed), c_void_p) if fed is not None else None,
        on_output=_on_output if number else None, on_output_data=number or None, **members)


class _Turns:
    """A program is for one thread at a time: who waits for its end lets others in between."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy, self._asking = False, 0

    @contextlib.contextmanager
    def take(self, waits_for_others: bool = False) -> Iterator[None]:
        with self._changed:
            self._asking += not waits_for_others
            self._changed.wait_for(lambda: not self._busy and not (waits_for_others and self._asking))
            self._asking -= not waits_for_others
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()


class _Following:
    """A program that was started."""

    def __init__(self, sandbox: Handle, output: _Output, opts: Any, token: Token) -> None:
        self.output, self.turns, ret = output, _Turns(), c_void_p()
        with sandbox.use() as pointer:
            call(lib.wr_program_start, pointer, byref(opts), token.wait, byref(ret))
        self.handle = Handle(ret.value or 0, lib.wr_program_free)
        if opts.on_output_data:
            weakref.finalize(self.handle, _outputs.drop, opts.on_output_data)

    @property
    def pid(self) -> int:
        with self.handle.use() as program:
            return int(lib.wr_program_pid(program))

    def wait(self, token: Token, timeout: Optional[float]) -> CommandResult:
        """In slices: between two others may write to it."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            ret, began = c_void_p(), time.monotonic()
            left = _SLICE_SECONDS if end is None else max(0.001, min(_SLICE_SECONDS, end - began))
            try:
                with self.turns.take(waits_for_others=True), self.handle.use() as program:
                    began = time.monotonic()
                    call(lib.wr_program_wait, program, token.within(left), byref(ret))
                return CommandResult.of(take_value(ret.value))
            except DeadlineError:
                now = time.monotonic()
                # The time of whoever waits was over, or the program's own: then the next slice says so again, at once.
                # Else only the slice was, which two clocks need not measure alike.
                if now - began < left / 2 or (end is not None and now >= end):
                    raise

    def ask(self, function: Any, *arguments: Any) -> None:
        with self.turns.take(), self.handle.use() as program:
            call(function, program, *arguments)

    def write(self, data: Content, token: Token) -> None:
        given = data.encode() if isinstance(data, str) else bytes(data)
        self.ask(lib.wr_program_write, ctypes.cast(ctypes.c_char_p(given), c_void_p), len(given), token.wait)

    def signal(self, number: int, token: Token) -> None:
        with self.handle.use() as program:
            call(lib.wr_program_signal, program, number, token.wait)


class _Calls:
    """Of one sandbox; Commands and AsyncCommands make them here or in a thread."""

    def __init__(self, sandbox: Handle) -> None:
        self.sandbox = sandbox

    def run(self, command: Command, output: _Output, token: Token, members: Mapping[str, Any]) -> CommandResult:
        number, ret = _outputs.put(output) if output else 0, c_void_p()
        try:
            opts = _options(command, number, **members)
            with self.sandbox.use() as sandbox:
                call(lib.wr_program_run, sandbox, byref(opts), token.wait, byref(ret))
        except BaseException:
            output.check()
            raise
        finally:
            _outputs.drop(number)
        return CommandResult.of(take_value(ret.value))

    def start(self, command: Command, output: _Output, token: Token, members: Mapping[str, Any]) -> _Following:
        number = _outputs.put(output) if output else 0
        try:
            return _Following(self.sandbox, output, _options(command, number, **members), token)
        except BaseException:
            _outputs.drop(number)
            raise

    def list(self, token: Token) -> List[Dict[str, Any]]:
        ret = c_void_p()
        with self.sandbox.use() as sandbox:
            call(lib.wr_program_list, sandbox, token.wait, byref(ret))
        return list(take_value(ret.value))


def _members(envs: Optional[Mapping[str, str]], cwd: Optional[str], user: Optional[str], stdin: Optional[Content],
             timeout: Optional[float]) -> Dict[str, Any]:
    return {"envs": envs, "cwd": cwd, "user": user, "stdin": stdin, "timeout": timeout}


class Program:
    """A program of Commands.start(). Leaving the `with` block kills it. For one thread at a time, but while one waits
    others may write and send signals."""

    def __init__(self, following: _Following) -> None:
        self._following = following

    @property
    def pid(self) -> int:
        """Inside the sandbox."""
        return self._following.pid

    def wait(self, timeout: Optional[float] = None) -> CommandResult:
        """Its end; listeners hear output meanwhile. TimeoutError after `timeout` seconds: it still runs, and can be waited
        for again."""
        try:
            return blocking(lambda token: self._following.wait(token, timeout))
        finally:
            self._following.output.check()

    def write(self, data: Content) -> None:
        """To its standard input, which `keep_input` left open, or its terminal."""
        blocking(lambda token: self._following.write(data, token))

    def close_input(self) -> None:
        blocking(lambda token: self._following.ask(lib.wr_program_close_input, token.wait))

    def resize(self, cols: int, rows: int) -> None:
        """Of its terminal."""
        blocking(lambda token: self._following.ask(lib.wr_program_resize, cols, rows, token.wait))

    def send_signal(self, number: int) -> None:
        """SIGTERM and SIGKILL, and on a Warren SIGINT."""
        blocking(lambda token: self._following.signal(number, token))

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Stops following it; it goes on."""
        self._following.handle.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        with contextlib.suppress(WarrenError):
            blocking(lambda token: self._following.wait(token, _KILLED_SECONDS))
        self.close()


class AsyncProgram:
    """A program of AsyncCommands.start(). Leaving the `async with` block kills it."""

    def __init__(self, following: _Following) -> None:
        self._following = following

    @property
    def pid(self) -> int:
        return self._following.pid

    async def wait(self, timeout: Optional[float] = None) -> CommandResult:
        try:
            return await awaited(lambda token: self._following.wait(token, timeout))
        finally:
            self._following.output.check()

    async def write(self, data: Content) -> None:
        await awaited(lambda token: self._following.write(data, token))

    async def close_input(self) -> None:
        await awaited(lambda token: self._following.ask(lib.wr_program_close_input, token.wait))

    async def resize(self, cols: int, rows: int) -> None:
        await awaited(lambda token: self._following.ask(lib.wr_program_resize, cols, rows, token.wait))

    async def send_signal(self, number: int) -> None:
        await awaited(lambda token: self._following.signal(number, token))

    async def kill(self) -> None:
        await self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        self._following.handle.close()

    async def __aenter__(self) -> AsyncProgram:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        with contextlib.suppress(WarrenError):
            await awaited(lambda token: self._following.wait(token, _KILLED_SECONDS))
        self.close()


class Commands:
    """Programs of a Sandbox."""

    def __init__(self, sandbox: Handle) -> None:
        self._calls = _Calls(sandbox)

    def run(self, command: Command, *, envs: Optional[Mapping[str, str]] = None, cwd: Optional[str] = None,
            user: Optional[str] = None, stdin: Optional[Content] = None, timeout: Optional[float] = None,
            on_stdout: Optional[TextListener] = None, on_stderr: Optional[TextListener] = None) -> CommandResult:
        """Runs it to its end. After `timeout` it is killed and TimeoutError raised."""
        output = _Output(on_stdout, on_stderr, None)
        members = _members(envs, cwd, user, stdin, timeout)
        return blocking(lambda token: self._calls.run(command, output, token, members))

    def start(self, command: Command, *, envs: Optional[Mapping[str, str]] = None, cwd: Optional[str] = None,
              user: Optional[str] = None, stdin: Optional[Content] = None, timeout: Optional[float] = None,
              on_stdout: Optional[TextListener] = None, on_stderr: Optional[TextListener] = None, keep_input: bool = False,
              terminal: bool = False, cols: Optional[int] = None, rows: Optional[int] = None) -> Program:
        """Returns when it runs. `keep_input` leaves standard input open for write(); `terminal` is one of `cols` and `rows`
        (80 and 24) instead of pipes, and its output is standard output."""
        output = _Output(on_stdout, on_stderr, None)
        members = {**_members(envs, cwd, user, stdin, timeout), "keep_input": keep_input, "terminal": terminal,
                   "cols": cols, "rows": rows}
        return Program(blocking(lambda token: self._calls.start(command, output, token, members), None, _kill))

    def list(self) -> List[Dict[str, Any]]:
        """Those that run."""
        return blocking(self._calls.list)


class AsyncCommands:
    """Programs of an AsyncSandbox."""

    def __init__(self, sandbox: Handle) -> None:
        self._calls = _Calls(sandbox)

    async def run(self, command: Command, *, envs: Optional[Mapping[str, str]] = None, cwd: Optional[str] = None,
                  user: Optional[str] = None, stdin: Optional[Content] = None, timeout: Optional[float] = None,
                  on_stdout: Optional[TextListener] = None,
                  on_stderr: Optional[TextListener] = None) -> CommandResult:
        output = _Output(on_stdout, on_stderr, asyncio.get_running_loop())
        members = _members(envs, cwd, user, stdin, timeout)
        try:
            return await awaited(lambda token: self._calls.run(command, output, token, members))
        finally:
            output.check()

    async def start(self, command: Command, *, envs: Optional[Mapping[str, str]] = None, cwd: Optional[str] = None,
                    user: Optional[str] = None, stdin: Optional[Content] = None, timeout: Optional[float] = None,
                    on_stdout: Optional[TextListener] = None, on_stderr: Optional[TextListener] = None,
                    keep_input: bool = False, terminal: bool = False, cols: Optional[int] = None,
                    rows: Optional[int] = None) -> AsyncProgram:
        output = _Output(on_stdout, on_stderr, asyncio.get_running_loop())
        members = {**_members(envs, cwd, user, stdin, timeout), "keep_input": keep_input, "terminal": terminal,
                   "cols": cols, "rows": rows}
        return AsyncProgram(await awaited(lambda token: self._calls.start(command, output, token, members), None, _kill))

    async def list(self) -> List[Dict[str, Any]]:
        return await awaited(self._calls.list)


def _kill(late: _Following) -> None:
    """Of a program that was started when nobody wanted it any more."""
    blocking(lambda token: late.signal(signal.SIGKILL, token))
