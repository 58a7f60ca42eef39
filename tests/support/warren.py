"""A private Warren for tests: starts `warren serve`, speaks its HTTP interface and looks at it from the host's side.

Standard library only. The program is $WARREN_BINARY (or $WARREN, set by tools/test), else build/src/cli/warren; the data directory,
which holds the template "base", is $WARREN_TEST_DATA, else /var/lib/warren. One engine at a time can use a data directory, so a
pytest session shares one server (see conftest.py).
"""

import base64
import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
AGENT_PORT = 49983
SLOT_IDS = 65536
SLOT_HOST_BASE = 0x50000000
SLOT_COUNT = 4096
TEMPLATE = "base"

Result = collections.namedtuple("Result", "code out err")


def binary():
    """Path of the program under test."""
    given = os.environ.get("WARREN_BINARY") or os.environ.get("WARREN")
    path = pathlib.Path(given) if given else REPOSITORY / "build/src/cli/warren"
    if not path.is_file():
        raise RuntimeError(f"there is no program {path}: build it or set WARREN_BINARY")
    return str(path)


def data_dir():
    return os.environ.get("WARREN_TEST_DATA", "/var/lib/warren")


def wait_for(condition, seconds=60, what="the condition"):
    """Polls until `condition()` is true and returns its value; a bound against hanging, not a measurement."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


class ApiError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def envelope(message):
    """One Connect message."""
    payload = json.dumps(message).encode()
    return struct.pack(">BI", 0, len(payload)) + payload


def basic(user):
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


class Process:
    """A running process: the answer stream of process.Process/Start. Iterating reads events."""

    def __init__(self, connection, response):
        self.connection = connection
        self.response = response
        self.pid = None
        self.status = None
        self.code = None

    def _read(self, count):
        data = self.response.read(count)
        if len(data) != count:
            raise ConnectionError("the stream ended early")
        return data

    def events(self):
        """Yields ("out" | "err" | "pty", bytes); afterwards `code` and `status` are set."""
        while True:
            flags, length = struct.unpack(">BI", self._read(5))
            message = json.loads(self._read(length) or b"{}")
            if flags & 2:
                if "error" in message:
                    raise ApiError(message["error"].get("code"), message["error"].get("message"))
                return
            event = message.get("event", {})
            if "start" in event:
                self.pid = event["start"]["pid"]
                yield "start", b""
            for key, name in (("stdout", "out"), ("stderr", "err"), ("pty", "pty")):
                if key in event.get("data", {}):
                    yield name, base64.b64decode(event["data"][key])
            if "end" in event:
                self.code = event["end"].get("exitCode", 0)
                self.status = event["end"].get("status")

    def started(self):
        """Waits for the first event; returns self."""
        self.stream = self.events()
        for name, _ in self.stream:
            if name == "start":
                return self
        raise AssertionError("no start event")

    def finish(self):
        """Reads to the end -> Result."""
        parts = {"out": [], "err": [], "pty": []}
        for name, data in getattr(self, "stream", None) or self.events():
            if name in parts:
                parts[name].append(data)
        self.close()
        text = {name: b"".join(chunks).decode(errors="replace") for name, chunks in parts.items()}
        return Result(self.code, text["out"] + text["pty"], text["err"])

    def close(self):
        self.connection.close()


class Sandbox:
    def __init__(self, server, info):
        self.server = server
        self.id = info["sandboxID"]
        self.info = info

    def _connection(self, timeout):
        return UnixConnection(self.server.socket, timeout)

    def _headers(self, port, extra=None):
        token = {"X-Access-Token": self.info["envdAccessToken"]} if "envdAccessToken" in self.info else {}
        return {"E2b-Sandbox-Id": self.id, "E2b-Sandbox-Port": str(port), **token, **(extra or {})}

    def http(self, method, path, body=None, port=AGENT_PORT, user=None, timeout=60, headers=None):
        """One request to a server inside -> (status, body bytes)."""
        connection = self._connection(timeout)
        extra = {"Authorization": basic(user)} if user else {}
        try:
            connection.request(method, path, body, self._headers(port, {**extra, **(headers or {})}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def start(self, command, user="user", timeout=60, envs=None, cwd="", pty=False):
        """Starts a shell text or an argv -> Process."""
        argv = ["/bin/bash", "-c", command] if isinstance(command, str) else list(command)
        message = {"process": {"cmd": argv[0], "args": argv[1:], "envs": envs or {}, "cwd": cwd}, "stdin": False}
        if pty:
            message["pty"] = {"size": {"cols": 80, "rows": 24}}
        connection = self._connection(timeout)
        headers = self._headers(AGENT_PORT, {
            "Authorization": basic(user), "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1"})
        connection.request("POST", "/process.Process/Start", envelope(message), headers)
        response = connection.getresponse()
        if response.status != 200:
            text = response.read().decode(errors="replace")
            connection.close()
            raise ApiError(response.status, text)
        return Process(connection, response)

    def run(self, command, user="user", timeout=60, **options):
        """Runs to the end -> Result(code, out, err); code -1 when a signal ended it."""
        return self.start(command, user, timeout, **options).finish()

    def check(self, command, user="user", **options):
        """Runs what has to succeed -> its output."""
        result = self.run(command, user, **options)
        assert result.code == 0, f"{command!r} as {user}: {result}"
        return result.out

    def python(self, code, user="user", **options):
        return self.run(["/usr/bin/python3", "-c", code], user, **options)

    def put(self, path, data, user="root", mode=None):
        status, body = self.http("POST", f"/files?path={path}", data, user=user,
                                 headers={"Content-Type": "application/octet-stream"})
        assert status == 200, f"upload of {path}: {status} {body!r}"
        if mode is not None:
            self.check(f"chmod {mode:o} {path}", user)

    def kill(self):
        self.server.request("DELETE", f"/sandboxes/{self.id}", expect=204)

    def pause(self, **options):
        """options: memory, level."""
        self.server.request("POST", f"/sandboxes/{self.id}/pause", options, expect=204, timeout=300)

    def resume(self, timeout=300, **options):
        self.server.request("POST", f"/sandboxes/{self.id}/connect", {"timeout": timeout, **options}, timeout=300)

    def snapshot(self, **options):
        """options: name, memory -> its id."""
        return self.server.request("POST", f"/sandboxes/{self.id}/snapshots", options, expect=201, timeout=300)["snapshotID"]

    def detail(self):
        return self.server.request("GET", f"/sandboxes/{self.id}")

    def metrics(self):
        return self.server.request("GET", f"/sandboxes/{self.id}/metrics?live=true")[-1]

    def alive(self):
        return self.id in {entry["sandboxID"] for entry in self.server.list()}

    def pids(self):
        """Host pids of its processes, PID 1 first."""
        return sorted(self.server.host.members(self.id), key=lambda pid: (namespace_pid(pid) != 1, pid))

    def agent_pid(self):
        pids = self.pids()
        assert pids and namespace_pid(pids[0]) == 1, f"no PID 1 among {pids}"
        return pids[0]

    def namespaces(self):
        """{kind: inode} of its PID 1."""
        return namespaces(self.agent_pid())


class Server:
    """A private `warren serve`."""

    def __init__(self, data=None, run_dir=None, wrapper=(), arguments=()):
        self.data = data or data_dir()
        self.own_run_dir = None if run_dir else tempfile.TemporaryDirectory(prefix="warren-test-", dir="/run")
        self.run_dir = run_dir or self.own_run_dir.name
        self.socket = f"{self.run_dir}/warren.sock"
        self.log_path = f"{self.run_dir}/server.log"
        self.wrapper = list(wrapper)
        self.arguments = list(arguments)
        self.process = None
        self.host = Host(self.data, self.run_dir)

    def command(self, *extra):
        """Without TCP unless `arguments` say otherwise (of an option given twice the last counts)."""
        return [*self.wrapper, binary(), "serve", "--config", "/dev/null", "--socket", self.socket, "--data-dir", self.data,
                "--api-listen", "off", "--ingress-listen", "off", "--blanks", "off", *self.arguments, *extra]

    def start(self, *extra, preexec=None):
        os.chmod(self.run_dir, 0o711)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(*extra), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=preexec, start_new_session=True)
        wait_for(lambda: self.process.poll() is not None or self.healthy(), 60, "the server answers")
        assert self.process.poll() is None, f"the server ended: {self.log()}"
        return self

    def healthy(self):
        try:
            connection = UnixConnection(self.socket, 5)
            connection.request("GET", "/health")
            status = connection.getresponse().status
            connection.close()
            return status in (200, 204)
        except OSError:
            return False

    def full_log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")

    def log(self):
        return self.full_log()[-4000:]

    def terminate(self):
        """SIGTERM: sandboxes live on."""
        self.process.terminate()
        self.process.wait(60)

    def kill9(self):
        self.process.kill()
        self.process.wait(30)
        self.host.wait_engine_gone()

    def shut_down(self):
        """Ends everything through the server's own way: an idle server ends its engine and its nests."""
        if self.process.poll() is None:
            self.clear()
            self.terminate()
        self.host.wait_engine_gone()
        with open(self.log_path, "ab") as log:
            idle = subprocess.Popen(self.command("--idle-timeout", "200ms"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            end = time.monotonic() + 60
            while idle.poll() is None:
                # what a crash of an earlier server left; without this it would live until its deadline
                with contextlib.suppress(OSError, http.client.HTTPException, ApiError):
                    self.clear()
                assert time.monotonic() < end, f"the idle server does not end: {self.log()}"
                time.sleep(0.5)
        self.host.wait_engine_gone()
        text = self.log()
        if self.own_run_dir:
            self.own_run_dir.cleanup()
        return text

    def request(self, method, path, body=None, expect=(200, 201, 204), timeout=60):
        status, value = self.raw(method, path, None if body is None else json.dumps(body), timeout)
        if status not in ((expect,) if isinstance(expect, int) else expect):
            raise ApiError(status, value.get("message") if isinstance(value, dict) else value)
        return value

    def raw(self, method, path, text=None, timeout=60):
        status, _, value = self.whole(method, path, text, timeout)
        return status, value

    def whole(self, method, path, text=None, timeout=60):
        """-> status, headers, value"""
        connection = UnixConnection(self.socket, timeout)
        try:
            connection.request(method, path, text, {"Content-Type": "application/json"} if text is not None else {})
            response = connection.getresponse()
            data = response.read()
            return response.status, response.headers, json.loads(data) if data else None
        finally:
            connection.close()

    def list(self):
        """Those that run."""
        return self.request("GET", "/sandboxes")

    def all(self, state="running,paused"):
        """Up to 100 of them, paused ones too."""
        return self.request("GET", f"/v2/sandboxes?state={state}")

    def snapshots(self):
        return self.request("GET", "/snapshots")

    def remove_snapshot(self, snapshot):
        self.request("DELETE", f"/templates/{urllib.parse.quote(snapshot, safe='')}", expect=(204, 404))

    def clear(self):
        """Ends every sandbox and removes every snapshot that the operator can."""
        while entries := self.all():
            for entry in entries:
                self.request("DELETE", f"/sandboxes/{entry['sandboxID']}", expect=(204, 404))
        seen = set()
        while entries := [one for one in self.snapshots() if one["snapshotID"] not in seen]:
            for entry in entries:
                seen.add(entry["snapshotID"])
                self.remove_snapshot(entry["snapshotID"])

    def create(self, template=TEMPLATE, timeout=300, env=None, **limits):
        body = {"templateID": template, "timeout": timeout}
        if env:
            body["envVars"] = env
        if limits:
            body["limits"] = limits
        return Sandbox(self, self.request("POST", "/sandboxes", body, 201))

    @contextlib.contextmanager
    def sandbox(self, **options):
        sandbox = self.create(**options)
        try:
            yield sandbox
        finally:
            with contextlib.suppress(ApiError):
                sandbox.kill()

    def environment(self):
        """With it the command line finds this server."""
        return {**os.environ, "WARREN_SOCKET": self.socket, "WARREN_DATA_DIR": self.data}

    def cli(self, *arguments, timeout=60, stdin=subprocess.DEVNULL, env=None):
        """Runs the command line against this server -> Result."""
        full = {**self.environment(), **(env or {})}
        done = subprocess.run([binary(), *arguments], stdin=stdin, capture_output=True, timeout=timeout, env=full)
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


# ---- the host's side ----


def proc_read(pid, name):
    """/proc/<pid>/<name>, "" when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def namespace_pid(pid):
    """The pid in the innermost namespace, 0 when gone."""
    match = re.search(r"^NSpid:.*?(\d+)$", proc_read(pid, "status"), re.M)
    return int(match.group(1)) if match else 0


def state(pid):
    match = re.search(r"^State:\s+(\S)", proc_read(pid, "status"), re.M)
    return match.group(1) if match else ""


def namespaces(pid):
    kinds = ("user", "mnt", "pid", "ipc", "uts", "cgroup", "net")
    return {kind: os.stat(f"/proc/{pid}/ns/{kind}").st_ino for kind in kinds}


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def processes_in_namespaces(inodes):
    """Pids of living processes that share namespaces with these: a process of the sandbox shares all seven kinds. One or two
    alone can be numbers that the kernel has given out again, and a zombie has ended."""
    found = []
    for pid in all_pids():
        shared = 0
        for kind in ("user", "mnt", "pid", "ipc", "uts", "cgroup", "net"):
            with contextlib.suppress(OSError):
                shared += os.stat(f"/proc/{pid}/ns/{kind}").st_ino in inodes
        if shared > 2 and not is_zombie(pid):
            found.append(pid)
    return found


def is_zombie(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    return True


def descriptors(pid):
    """{fd: what it is} of a process; {} when it is gone."""
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def below(top):
    """Paths of everything below a directory that others change meanwhile."""
    return [os.path.join(directory, name) for directory, folders, files in os.walk(top) for name in folders + files]


def is_zygote(leaf):
    """Whether this name of a control group and directory is that of a template's zygote."""
    return leaf.startswith("zygote")


class Host:
    """What one Warren holds on the host: found by its data directory (control groups are named after its inode)."""

    def __init__(self, data, run_dir):
        self.data = pathlib.Path(data)
        self.run_dir = pathlib.Path(run_dir)

    @property
    def instance(self):
        return f"warren-{os.stat(self.data).st_ino:x}"

    def cgroup_roots(self):
        roots = []
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            fields, _, tail = line.partition(" - ")
            if tail.split()[0] in ("cgroup", "cgroup2"):
                for directory, subdirectories, _ in os.walk(fields.split()[4]):
                    if self.instance in subdirectories:
                        roots.append(pathlib.Path(directory, self.instance))
        return roots

    def cgroups(self):
        """{(hierarchy directory, leaf name)}"""
        found = set()
        for root in self.cgroup_roots():
            with contextlib.suppress(OSError):
                found |= {(str(root), entry.name) for entry in os.scandir(root) if entry.is_dir()}
        return found

    def members(self, leaf):
        """Pids in a leaf, of whatever hierarchy."""
        pids = set()
        for root in self.cgroup_roots():
            with contextlib.suppress(OSError):
                pids |= {int(text) for text in (root / leaf / "cgroup.procs").read_text().split()}
        return pids

    def processes(self):
        """Every pid in any of this Warren's control groups."""
        return set().union(*[self.members(leaf) for _, leaf in self.cgroups()]) if self.cgroups() else set()

    def nest_pids(self):
        """The nests: members of groups that are not a sandbox's."""
        leaves = {leaf for _, leaf in self.cgroups() if not re.fullmatch("[a-z0-9]{20}", leaf)}
        return set().union(set(), *[self.members(leaf) for leaf in leaves])

    def running(self):
        """Names of sandboxes that have a process."""
        return {leaf for _, leaf in self.cgroups() if len(leaf) == 20 and not is_zygote(leaf) and self.members(leaf)}

    def zygotes(self):
        """{name: pids} of the zygotes' control groups."""
        return {leaf: self.members(leaf) for _, leaf in self.cgroups() if is_zygote(leaf)}

    def engine_pids(self):
        """Keeper and engine: the processes that hold this data directory's lock or wait for the one that does."""
        lock = str(self.data / "lock")
        return [pid for pid in all_pids() if lock in descriptors(pid).values()]

    def engine_pid(self):
        return wait_for(lambda: (self.engine_pids() or [None])[0], 20, "an engine holds the lock")

    def wait_engine_gone(self):
        wait_for(lambda: not self.engine_pids(), 30, "the engine is gone")

    def mounts(self, pid="self"):
        """Mount points below the data and run directories."""
        points = [line.split()[4] for line in proc_read(pid, "mountinfo").splitlines()]
        prefixes = (f"{self.data}/", f"{self.run_dir}/")
        return collections.Counter(point for point in points if point.startswith(prefixes))

    def uppers(self):
        """Names of sandbox directories on the volume, as the engine sees them."""
        path = self.volume() / "sandboxes"
        return set(os.listdir(path)) if path.is_dir() else set()

    def volume(self):
        """The volume; through the engine's root when it is mounted only there."""
        own = self.data / "volume"
        if os.path.ismount(own):
            return own
        for pid in self.engine_pids():
            seen = pathlib.Path(f"/proc/{pid}/root{own}")
            if proc_read(pid, "mountinfo").count(f" {own} "):
                return seen
        return own

    def loop_devices(self):
        """Loop devices of this data directory."""
        found = []
        for path in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
            with contextlib.suppress(OSError):
                if path.read_text().startswith(f"{self.data}/"):
                    found.append(path.parts[3])
        return found

    def has_simple_quotas(self):
        """Whether a copy on the volume is charged with what is written into it only."""
        modes = [path.parent.parent / "qgroups/mode" for device in self.loop_devices()
                 for path in pathlib.Path("/sys/fs/btrfs").glob(f"*/devices/{device}")]
        return any(mode.read_text().strip() == "squota" for mode in modes)

    def snapshot(self, *ids):
        """Everything that could be left behind by these sandboxes: {kind: set}, all empty once they are gone."""
        wanted = set(ids)
        return {
            "cgroups": {(root, leaf) for root, leaf in self.cgroups() if leaf in wanted},
            "processes": set().union(set(), *[self.members(one) for one in wanted]),
            "uppers": self.uppers() & wanted,
            "mounts": {line for line in proc_read("self", "mountinfo").splitlines() if any(one in line for one in wanted)},
            "files": {path for path in below(self.run_dir) if any(one in os.path.basename(path) for one in wanted)},
        }

    def assert_gone(self, *ids, inodes=(), seconds=60):
        """Nothing of these sandboxes is left: processes, mounts, control groups, files, namespaces."""
        def left():
            found = {kind: value for kind, value in self.snapshot(*ids).items() if value}
            processes = processes_in_namespaces(set(inodes)) if inodes else []
            if processes:
                found["namespaces"] = processes
            return found
        end = time.monotonic() + seconds
        while found := left():
            assert time.monotonic() < end, f"left behind: {found}"
            time.sleep(0.05)

    def totals(self):
        """Counts that must be the same before and after, once spare sandboxes are refilled."""
        engine = self.engine_pid()
        nests = sorted(self.nest_pids())
        return {
            "cgroup leaves": len(self.cgroups()),
            "uppers": len(self.uppers()),
            "processes": len(self.processes()),
            "mounts": sum(self.mounts().values()),
            "engine descriptors": len(descriptors(engine)),
            "nest descriptors": sum(len(descriptors(pid)) for pid in nests),
            "nest mounts": sum(len(proc_read(pid, "mountinfo").splitlines()) for pid in nests),
            "loop devices": len(self.loop_devices()),
        }

    def settled(self, seconds=60):
        """totals() once they stopped changing."""
        end = time.monotonic() + seconds
        last, since = None, time.monotonic()
        while time.monotonic() < end:
            now = self.totals()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > 1:
                return now
            time.sleep(0.1)
        return last

    def assert_settled(self, wanted, seconds=60):
        """These of totals() are as they were: what is removed or refilled behind an answer may take its time."""
        end = time.monotonic() + seconds
        while (found := {name: value for name, value in self.totals().items() if name in wanted}) != wanted:
            assert time.monotonic() < end, f"{found} instead of {wanted}"
            time.sleep(0.1)
