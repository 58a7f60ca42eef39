"""Many clients of many sandboxes at once: each checks that what it gets is its own, whole and in order."""

import asyncio
import hashlib
import json
import random
import socket
import time

import wire

GUEST_PORT = 8080
AGENT_PORT = 49983
GUEST_PATH = "/tmp/guest"
BLOB_PATH = "/home/user/blob"
BLOB_SIZE = 256 * 1024
BASIC_USER = "Basic dXNlcjo="
SLOW_BYTES = 1 << 40
# More than all buffers on the way take. Not without end: a process outlives its client, and must not run on at full speed.
SLOW_LINES = 400000
# Emitted lines, frames and downloads of one stream follow each other at about this distance.
PAUSE_S = 0.5


class Guest:
    """One sandbox with guest.c in it."""

    def __init__(self, info):
        self.id = info["sandboxID"]
        self.token = info.get("envdAccessToken")
        self.blob = hashlib.sha256(self.id.encode()).digest() * (BLOB_SIZE // 32)
        self.blob_hash = hashlib.sha256(self.blob).digest()

    def headers(self, port):
        routing = {"E2b-Sandbox-Id": self.id, "E2b-Sandbox-Port": str(port)}
        if port != AGENT_PORT:
            return routing
        return {**routing, "Authorization": BASIC_USER, **({"X-Access-Token": self.token} if self.token else {})}


class Swarm:
    """`api` and `ingress` are doors; `key` goes to the control API."""

    def __init__(self, api, ingress, key, program):
        self.api, self.ingress, self.key, self.program = api, ingress, key, program
        self.guests = []
        self.errors = []
        self.counts = {"lines": 0, "downloads": 0, "echoes": 0, "probes": 0, "slow bytes": 0}
        self.samples = {False: [], True: []}  # latencies of probes without and with slow clients
        self.slow = False
        self.tasks = []

    async def control(self, method, target, message=None):
        headers = {"X-API-Key": self.key} if self.key else {}
        if message is not None:
            headers["Content-Type"] = "application/json"
        async with wire.Connection(self.api) as connection:
            status, body = await connection.request(method, target, headers, json.dumps(message).encode() if message else b"")
        if status >= 300:
            raise wire.Broken(f"{method} {target}: {status} {body[:300]!r}")
        return json.loads(body) if body else None

    async def put(self, guest, path, data):
        async with wire.Connection(self.ingress) as connection:
            status, body = await connection.request(
                "POST", f"/files?path={path}&username=user", {**guest.headers(AGENT_PORT), "Content-Type": "application/octet-stream"}, data)
        if status != 200:
            raise wire.Broken(f"upload of {path}: {status} {body[:300]!r}")

    async def make(self):
        guest = Guest(await self.control("POST", "/sandboxes", {"templateID": "base", "timeout": 3600}))
        self.guests.append(guest)
        await self.put(guest, GUEST_PATH, self.program)
        await self.put(guest, BLOB_PATH, guest.blob)
        async with wire.Connection(self.ingress) as connection:
            text = b""
            command = f"chmod 755 {GUEST_PATH} && exec {GUEST_PATH} http {GUEST_PORT}"
            async for piece in wire.output(connection, ["/bin/sh", "-c", command], guest.headers(AGENT_PORT)):
                text += piece
                if b"ready\n" in text:
                    return
        raise wire.Broken(f"the program in {guest.id} ended: {text!r}")

    async def make_all(self, count, at_once=8):
        gate = asyncio.Semaphore(at_once)

        async def one():
            async with gate:
                await self.make()

        await asyncio.gather(*(one() for _ in range(count)))

    async def kill_all(self, at_once=8):
        gate = asyncio.Semaphore(at_once)

        async def one(guest):
            async with gate:
                await self.control("DELETE", f"/sandboxes/{guest.id}")

        await asyncio.gather(*(one(guest) for guest in self.guests))
        self.guests.clear()

    # ---- streams ----

    async def process(self, guest, number):
        """Output of a process: no line is missing, none is another's."""
        marker, expected, text = f"{guest.id}.{number}", 0, b""
        argv = [GUEST_PATH, "emit", marker, str(int(PAUSE_S * 1000))]
        async with wire.Connection(self.ingress) as connection:
            async for piece in wire.output(connection, argv, guest.headers(AGENT_PORT)):
                *lines, text = (text + piece).split(b"\n")
                for line in lines:
                    if line != f"{marker} {expected}".encode():
                        raise wire.Broken(f"line {expected} of {marker} is {line!r}")
                    expected += 1
                self.counts["lines"] += len(lines)
        raise wire.Broken(f"the output of {marker} ended")

    async def download(self, guest, _):
        async with wire.Connection(self.ingress) as connection:
            while True:
                connection.send("GET", f"/files?path={BLOB_PATH}&username=user", guest.headers(AGENT_PORT))
                status, headers = await connection.head()
                digest = hashlib.sha256()
                async for piece in connection.pieces(headers):
                    digest.update(piece)
                if status != 200 or digest.digest() != guest.blob_hash:
                    raise wire.Broken(f"a download from {guest.id} is not its file ({status})")
                self.counts["downloads"] += 1
                await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1.5))

    async def socket(self, guest, number):
        async with wire.Connection(self.ingress) as connection:
            await wire.websocket(connection, guest.headers(GUEST_PORT))
            sent = 0
            while True:
                message = f"{guest.id}.{number} {sent}".encode()
                if await wire.websocket_echo(connection, message) != message:
                    raise wire.Broken(f"a frame of {guest.id} is another's")
                sent += 1
                self.counts["echoes"] += 1
                await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1.5))

    async def probe(self, guest, _):
        """Small requests on a kept connection; their times are what others could spoil."""
        async with wire.Connection(self.ingress) as connection:
            while True:
                slow, started = self.slow, time.perf_counter()
                status, body = await connection.request("GET", "/hello", guest.headers(GUEST_PORT))
                if status != 200 or body != b"hello":
                    raise wire.Broken(f"a probe of {guest.id} is answered with {status} {body[:100]!r}")
                if slow == self.slow:
                    self.samples[slow].append(time.perf_counter() - started)
                self.counts["probes"] += 1
                await asyncio.sleep(0.02)

    # ---- clients that take one byte per second ----

    async def trickle(self, guest, agent):
        """Asks for more than it ever takes: a body of guest.c, or the output of a process."""
        loop = asyncio.get_running_loop()
        connection = wire.Connection(self.ingress)
        plain = socket.socket(socket.AF_UNIX if self.ingress.path else socket.AF_INET, socket.SOCK_STREAM)
        with plain:
            plain.setblocking(False)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(plain, self.ingress.path or (self.ingress.host, self.ingress.port))
            connection.writer = _Collect()
            if agent:
                argv = [GUEST_PATH, "emit", guest.id, "0", str(SLOW_LINES)]
                connection.send("POST", "/process.Process/Start",
                                {**guest.headers(AGENT_PORT), "Content-Type": "application/connect+json"},
                                wire.envelope({"process": {"cmd": argv[0], "args": argv[1:]}, "stdin": False}))
            else:
                connection.send("GET", f"/bytes/{SLOW_BYTES}", guest.headers(GUEST_PORT))
            await loop.sock_sendall(plain, connection.writer.data)
            while True:
                if not await loop.sock_recv(plain, 1):
                    raise wire.Broken("a slow client was cut")
                self.counts["slow bytes"] += 1
                await asyncio.sleep(1)

    # ---- tasks ----

    def start(self, coroutine):
        async def watched():
            try:
                await coroutine
            except asyncio.CancelledError:
                raise
            except Exception as error:  # whatever it is, it is a failure of the run
                self.errors.append(f"{type(error).__name__}: {error}")

        task = asyncio.get_running_loop().create_task(watched())
        self.tasks.append(task)
        return task

    async def stop(self, tasks=None):
        ended = self.tasks if tasks is None else tasks
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        self.tasks = [task for task in self.tasks if task not in ended]


class _Collect:
    """Stands for a writer: what is sent goes out by hand."""

    data = b""

    def write(self, data):
        self.data += data
