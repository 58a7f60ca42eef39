"""The synchronous and the asynchronous Python SDK behind one face, so that one test drives both.

The asynchronous objects are wrapped: a call runs on an event loop in a thread of its own and waits for the result.
"""

import asyncio
import inspect
import threading

import e2b
import e2b_code_interpreter

import warren

# Far beyond what anything here takes: against hanging only.
LIMIT = 120


class Loop:
    """An event loop that runs in a thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, function, *arguments, **options):
        """Calls on the loop, awaits what has to be awaited -> the result."""
        async def run():
            value = function(*arguments, **options)
            return await value if inspect.isawaitable(value) else value

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(LIMIT)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


def unwrapped(value):
    """What the SDK takes: its own objects instead of their wrappers, also in dictionaries."""
    if isinstance(value, dict):
        return {name: unwrapped(one) for name, one in value.items()}
    return value._inner if isinstance(value, Blocking) else value


class Blocking:
    """An object of the asynchronous SDK whose methods return when they are done."""

    def __init__(self, inner, loop):
        self._inner = inner
        self._loop = loop

    def _wrap(self, value):
        if isinstance(value, (list, tuple)):
            return type(value)(self._wrap(one) for one in value)
        methods = [name for name in dir(type(value)) if not name.startswith("__")]
        is_async = type(value).__module__.startswith("e2b.sandbox_async") or any(
            inspect.iscoroutinefunction(getattr(type(value), name, None)) for name in methods)
        return Blocking(value, self._loop) if is_async and type(value).__module__.startswith("e2b") else value

    def __getattr__(self, name):
        value = getattr(self._inner, name)
        if inspect.isroutine(value) or inspect.ismethod(value):
            return lambda *arguments, **options: self._wrap(self._loop.call(value, *arguments, **unwrapped(options)))
        return self._wrap(value)


class Watch:
    """Events of a directory, collected until stop()."""

    def __init__(self, poll, stop):
        self.seen = []
        self.poll = poll
        self.stop = stop

    def events(self):
        self.seen += self.poll()
        return list(self.seen)

    def wait(self, condition, what):
        """Until condition(events) is true -> the events."""
        return warren.wait_for(lambda: condition(self.events()) and self.events(), 60, what)


class Terminal:
    """A PTY whose output is collected."""

    def __init__(self, handle):
        self.handle = handle
        self.pid = handle.pid
        self.output = bytearray()

    def wait(self, text):
        """Until the output holds it -> everything so far."""
        warren.wait_for(lambda: text.encode() in self.output, 60, f"{text!r} on the terminal")
        return self.output.decode(errors="replace")


class Sync:
    name = "sync"
    Sandbox = e2b.Sandbox
    Volume = e2b.Volume
    Secret = e2b.Secret

    def watch(self, sandbox, path, **options):
        handle = sandbox.files.watch_dir(path, **options)
        return Watch(handle.get_new_events, handle.stop)

    @staticmethod
    def iterator(chunks):
        """What this SDK takes as a stream to upload."""
        return iter(chunks)

    def read_stream(self, sandbox, path, **options):
        with sandbox.files.read(path, format="stream", **options) as reader:
            return [bytes(chunk) for chunk in reader]

    def read_volume(self, volume, path):
        return [bytes(chunk) for chunk in volume.read_file(path, format="stream")]

    def terminal(self, sandbox, size, **options):
        return self._collect(sandbox.pty.create(size, **options))

    def attach(self, sandbox, pid):
        return self._collect(sandbox.pty.connect(pid))

    @staticmethod
    def _collect(handle):
        terminal = Terminal(handle)

        def read():
            try:
                handle.wait(on_pty=terminal.output.extend)
            except Exception as error:  # the test looks at it
                terminal.error = error

        threading.Thread(target=read, daemon=True).start()
        return terminal

    def stream_input(self, sandbox, pid, chunks):
        sandbox.commands.stream_input(pid, iter(chunks))

    def stop(self):
        pass


class Async:
    name = "async"

    def __init__(self):
        self.loop = Loop()
        self.Sandbox = Blocking(e2b.AsyncSandbox, self.loop)
        self.Volume = Blocking(e2b.AsyncVolume, self.loop)
        self.Secret = Blocking(e2b.AsyncSecret, self.loop)

    def watch(self, sandbox, path, **options):
        received = []
        handle = sandbox.files.watch_dir(path, on_event=received.append, **options)

        def poll():
            taken = list(received)
            del received[:len(taken)]
            return taken

        return Watch(poll, handle.stop)

    @staticmethod
    async def iterator(chunks):
        for chunk in chunks:
            yield chunk

    def read_stream(self, sandbox, path, **options):
        async def collect():
            stream = await sandbox._inner.files.read(path, format="stream", **options)
            return [bytes(chunk) async for chunk in stream]

        return self.loop.call(collect)

    def read_volume(self, volume, path):
        async def collect():
            return [bytes(chunk) async for chunk in await volume._inner.read_file(path, format="stream")]

        return self.loop.call(collect)

    def terminal(self, sandbox, size, **options):
        return self._collect(lambda on_data: sandbox.pty.create(size, on_data=on_data, **options))

    def attach(self, sandbox, pid):
        return self._collect(lambda on_data: sandbox.pty.connect(pid, on_data=on_data))

    @staticmethod
    def _collect(start):
        received = bytearray()
        terminal = Terminal(start(received.extend))
        terminal.output = received
        return terminal

    def stream_input(self, sandbox, pid, chunks):
        async def send():
            async with sandbox._inner.commands.stream_input(pid) as handle:
                for chunk in chunks:
                    await handle.send(chunk)

        self.loop.call(send)

    def stop(self):
        self.loop.stop()


class Interpreter(Sync):
    Sandbox = e2b_code_interpreter.Sandbox


class AsyncInterpreter(Async):
    def __init__(self):
        super().__init__()
        self.Sandbox = Blocking(e2b_code_interpreter.AsyncSandbox, self.loop)
