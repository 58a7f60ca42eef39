"""The server under measurement: starting one of our own, and a small client for what need not be fast."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import tempfile
import time

IDLE_TIMEOUT_S = 5
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 120
DOMAIN = "bench.test"


class Failed(Exception):
    """What the user is told instead of a table."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=90)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Control:
    """Keeps one connection for as long as it lives, so that an idle server does not end meanwhile. `api_port`, `ingress_port`,
    `tls_port`, `certificate` (with its key) and `key` are None where only the Unix socket is known."""

    api_port = ingress_port = tls_port = certificate = key = None

    def __init__(self, path):
        self.path = str(path)
        self._connection = _UnixConnection(self.path)
        self._connection.connect()

    def close(self):
        self._connection.close()

    def server_pid(self):
        data = self._connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return struct.unpack("3i", data)[0]

    def request(self, method, target, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self._connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.status >= 300:
            raise Failed(f"{method} {target}: {response.status} {text[:300]}")
        return json.loads(text) if text else None

    def create(self, template):
        return self.request("POST", "/sandboxes", {"templateID": template, "timeout": 3600})["sandboxID"]

    def kill(self, sandbox_id):
        self.request("DELETE", f"/sandboxes/{sandbox_id}")


def _wait_for(socket_path, server, log):
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError):
            return Control(socket_path)
        time.sleep(0.02)
    log.seek(0)
    raise Failed("the server did not start:\n" + log.read()[-2000:] + "\nWith a server that runs already: --socket PATH")


@contextlib.contextmanager
def _serving(command, path, log):
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        control = _wait_for(path, server, log)
        try:
            yield control
        finally:
            control.close()
            # Not killed, also after a failure: a server that ends for idleness takes its nests and mounts with it.
            server.wait(timeout=STOP_TIMEOUT_S)
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _ask(warren, path, data_dir, *words):
    """Runs another command of the program."""
    environment = {**os.environ, "WARREN_SOCKET": str(path), "WARREN_DATA_DIR": str(data_dir)}
    done = subprocess.run([warren, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"warren {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _new_key(warren, path, data_dir):
    found = re.search(r"\be2b_[0-9a-f]{40}\b", _ask(warren, path, data_dir, "key", "create", "bench"))
    if not found:
        raise Failed("warren key create prints no key")
    return found.group(0)


@contextlib.contextmanager
def own_server(warren, data_dir, *more):
    """A server on a socket of its own; it ends itself, with its engine and nests, once nobody is connected."""
    with tempfile.TemporaryDirectory(prefix="warren-bench.", dir="/run", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o711)
        path = pathlib.Path(directory) / "warren.sock"
        api_port, ingress_port, tls_port = free_ports(3)
        _ask(warren, path, data_dir, "dev-cert", "--domain", DOMAIN, "--out", f"{directory}/tls")
        certificate = (f"{directory}/tls/{DOMAIN}.pem", f"{directory}/tls/{DOMAIN}.key")
        command = [warren, "serve", "--socket", str(path), "--data-dir", data_dir, "--idle-timeout", f"{IDLE_TIMEOUT_S}s",
                   "--config", "/dev/null", "--api-listen", f"127.0.0.1:{api_port}", "--ingress-listen", f"127.0.0.1:{ingress_port}",
                   "--domain", f"{DOMAIN}:{tls_port}", "--listen", f"127.0.0.1:{tls_port}",
                   "--tls-cert", certificate[0], "--tls-key", certificate[1],
                   "--rate-requests", "0", "--rate-creates", "0", "--max-sandboxes", "0", *more]
        with open(pathlib.Path(directory) / "log", "w+", encoding="utf-8") as log, _serving(command, path, log) as control:
            control.api_port, control.ingress_port, control.tls_port, control.certificate = api_port, ingress_port, tls_port, certificate
            control.key = _new_key(warren, path, data_dir)
            yield control


@contextlib.contextmanager
def running_server(path):
    try:
        control = Control(path)
    except OSError as error:
        raise Failed(f"no server listens on {path}: {error.strerror}") from error
    try:
        yield control
    finally:
        control.close()
