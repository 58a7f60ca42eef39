"""Added latency and throughput of the way out of a sandbox and of the way in, beside a direct connection, slirp4netns and pasta.

All in two network namespaces that are joined by a veth pair (tests/support/netlab.py): in one is the server of the measurement, in
the other everything that is measured.
"""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from control import Failed

SOURCE = pathlib.Path(__file__).with_name("network_peer.c")
SUPPORT = pathlib.Path(__file__).resolve().parent.parent / "support"
PORT, API_PORT = 5201, 5202
SLIRP_ADDRESS = "10.0.2.100"  # slirp4netns gives it to the namespace
FORWARDED = {"slirp4netns": 5301, "pasta": 5302, "direct": 5303, "sandbox": 5304}
ROUNDS = 20  # connections of one turn
OUT, IN = "out: to a server outside", "in: to a service inside"


def _lab():
    """The module, which looks at the environment when it is used."""
    sys.path.insert(0, str(SUPPORT))
    import netlab  # pylint: disable=import-outside-toplevel

    return netlab


class Way:
    """How a client reaches a server: a command in front of the client, and where it connects to. `head` is a file."""

    def __init__(self, name, direction, run, address, port, head=None):
        self.name, self.direction = name, direction
        self.run, self.address, self.port, self.head = run, address, port, head
        self.us, self.up, self.down = [], [], []

    def client(self, mode, count):
        words = [mode, self.address, str(self.port), str(count), *([self.head] if self.head else [])]
        code, out, error = self.run(words)
        if code != 0:
            raise Failed(f"{self.name} ({self.direction}), {mode}: {error.strip() or out.strip()}")
        return [float(line) for line in out.split()]


def _by(wrapper, peer):
    def run(words):
        done = subprocess.run([*wrapper, str(peer), *map(str, words)], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def _in(sandbox):
    def run(words):
        done = sandbox.run(["/tmp/peer", *words], timeout=120)
        return done.code, done.out, done.err

    return run


def _start(stack, command, ready=None):
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True)
    stack.callback(process.wait)
    stack.callback(process.kill)
    if ready and process.stdout.readline() != ready:
        raise Failed(f"{command[0]}: ended early")
    return process


def _serve(stack, wrapper, peer, address, port):
    _start(stack, [*wrapper, peer, "serve", address, port], "ready\n")


def _until(way):
    """Until the first connection is through: programs that make an interface take a moment."""
    end = time.monotonic() + 10
    while True:
        try:
            way.client("rounds", 1)
            return way
        except Failed:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _slirp(stack, lab, netlab, directory, peer):
    boxed = netlab.Namespace(f"{lab.host.name}-slirp")
    stack.callback(boxed.remove)
    control = directory / "slirp.sock"
    _start(stack, [*lab.host.wrapper(), "slirp4netns", "--configure", "--mtu=65520", "--netns-type=path", "--api-socket", control, boxed.path,
                   "tap0"])
    out = _until(Way("slirp4netns", OUT, _by(boxed.wrapper(), peer), netlab.WEB, PORT))
    port = FORWARDED["slirp4netns"]
    _serve(stack, boxed.wrapper(), peer, "0.0.0.0", port)
    request = {"execute": "add_hostfwd", "arguments": {"proto": "tcp", "host_addr": "0.0.0.0", "host_port": port,
                                                      "guest_addr": SLIRP_ADDRESS, "guest_port": port}}
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(control))
        asked.sendall(json.dumps(request).encode())
        asked.shutdown(socket.SHUT_WR)
        if "error" in json.loads(asked.recv(4096)):
            raise Failed("slirp4netns does not forward a port")
    return [out, _until(Way("slirp4netns", IN, _by(lab.world.wrapper(), peer), netlab.HOST, port))]


def _pasta(stack, lab, netlab, _, peer):
    boxed = netlab.Namespace(f"{lab.host.name}-pasta")
    stack.callback(boxed.remove)
    port = FORWARDED["pasta"]
    _start(stack, [*lab.host.wrapper(), "pasta", "--foreground", "--quiet", "--runas", "0", "--config-net", "-t", port, "-u", "none", "-T", "none",
                   "-U", "none", "--netns", boxed.path])
    out = _until(Way("pasta", OUT, _by(boxed.wrapper(), peer), netlab.WEB, PORT))
    _serve(stack, boxed.wrapper(), peer, "0.0.0.0", port)
    return [out, _until(Way("pasta", IN, _by(lab.world.wrapper(), peer), netlab.HOST, port))]


def _direct(stack, lab, netlab, _, peer):
    _serve(stack, lab.host.wrapper(), peer, netlab.HOST, FORWARDED["direct"])
    return [Way("direct", OUT, _by(lab.host.wrapper(), peer), netlab.WEB, PORT),
            Way("direct", IN, _by(lab.world.wrapper(), peer), netlab.HOST, FORWARDED["direct"])]


def _warren(stack, lab, netlab, directory, peer):
    port = FORWARDED["sandbox"]
    server = stack.enter_context(lab.warren("--api-listen", f"{netlab.HOST}:{API_PORT}"))
    sandbox = stack.enter_context(server.sandbox(timeout=3600))
    sandbox.put("/tmp/peer", peer.read_bytes())
    sandbox.check("chmod 755 /tmp/peer", "root")
    serving = sandbox.start(["/tmp/peer", "serve", "127.0.0.1", str(port)], timeout=3600)
    stack.callback(serving.close)
    if next(data for name, data in serving.events() if name == "out") != b"ready\n":
        raise Failed("the service in the sandbox does not start")
    key = server.cli("key", "create", "bench").out.split()[-1]
    head = directory / "head"
    head.write_text(f"GET /sandboxes/{sandbox.id}/ports/{port} HTTP/1.1\r\nHost: {netlab.HOST}\r\nX-API-Key: {key}\r\n"
                    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n", encoding="ascii", newline="")
    command = [*lab.host.wrapper(), server_program(), "forward", "--address", netlab.HOST, sandbox.id, f"{port}:0"]
    forward = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=server.environment())
    stack.callback(forward.wait)
    stack.callback(forward.terminate)
    local = forward.stdout.readline().split(" -> ")[0].rpartition(":")[2]
    return [Way("Warren: the egress", OUT, _in(sandbox), netlab.WEB, PORT),
            Way("Warren: the server's route to a port", IN, _by(lab.world.wrapper(), peer), netlab.HOST, API_PORT, head),
            Way("Warren: `warren forward`", IN, _by(lab.world.wrapper(), peer), netlab.HOST, local)]


def server_program():
    return os.environ["WARREN"]


def _transfer(way, mode, size):
    """Some versions of pasta reset long transfers now and then: such a one is left out, but not one of ours."""
    try:
        getattr(way, mode).append(size / way.client(mode, size)[0])
    except Failed:
        if way.name not in ("pasta", "slirp4netns"):
            raise


def _measure(ways, rounds, transfers, size):
    for _ in range(max(1, rounds // ROUNDS)):
        for way in ways:
            way.us += way.client("rounds", ROUNDS)
    for _ in range(transfers):
        for way in ways:
            _transfer(way, "up", size)
            _transfer(way, "down", size)


def measure(program, data_dir, rounds, transfers, size):
    """-> ([{"name", "direction", "us", "up", "down"}], {what cannot be measured here: why}); up and down in bytes per second, seen
    from the client."""
    os.environ["WARREN"], os.environ["WARREN_TEST_DATA"] = str(program), str(data_dir)
    netlab, refused = _lab(), {}
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-bench.", dir="/run")))
        peer = directory / "peer"
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-D_GNU_SOURCE", "-o", peer, SOURCE], check=True)
        lab = stack.enter_context(netlab.Lab())
        _serve(stack, lab.world.wrapper(), peer, netlab.WEB, PORT)
        ways = []
        for name, make, needs in (("direct", _direct, None), ("slirp4netns", _slirp, "slirp4netns"), ("pasta", _pasta, "pasta"),
                                  ("Warren", _warren, None)):
            if needs and not shutil.which(needs):
                refused[name] = f"{needs} is not installed (tools/install-deps bench)"
                continue
            ways += make(stack, lab, netlab, directory, peer)
        _measure(ways, rounds, transfers, size)
    return [{name: getattr(way, name) for name in ("name", "direction", "us", "up", "down")} for way in ways], refused
