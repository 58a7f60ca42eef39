"""What leaves a sandbox, through the official SDKs: the server runs in a lab of network namespaces, and the SDK beside it."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

import netlab  # noqa: E402

API, INGRESS = f"{netlab.HOST}:3000", f"{netlab.HOST}:3002"


def tell(connection):
    """An HTTP server that answers with the head of the request."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return
        data += more
    lines = data.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {name.title(): [value.strip()] for name, value in (line.split(":", 1) for line in lines[1:])}
    body = json.dumps({"line": lines[0], "headers": headers}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture(scope="package")
def lab():
    with netlab.Lab() as made:
        made.names(**{"web.test": netlab.WEB, "httpbin.test": netlab.WEB, "other.test": netlab.OTHER})
        made.listen(tell, port=80)
        made.listen(tell, port=443, names=("web.test", "httpbin.test"))
        made.other = made.listen(tell, address=netlab.OTHER, port=80)
        yield made


@pytest.fixture(scope="package")
def outside(lab):
    """The server in the lab; `call` runs a function of the SDK on a thread that shares its network."""
    with lab.warren("--api-listen", API, "--ingress-listen", INGRESS) as running:
        done = running.cli("key", "create", "suite")
        running.key = re.search(r"\be2b_[0-9a-f]{40}\b", done.out).group(0)
        running.call = lab.host.call
        running.settings = {"E2B_API_KEY": running.key, "E2B_API_URL": f"http://{API}", "E2B_SANDBOX_URL": f"http://{INGRESS}",
                            "E2B_VOLUME_API_URL": f"http://{API}"}
        yield running


@pytest.fixture
def inside(outside, monkeypatch):
    """inside(function): the SDK knows the lab's server from the environment only; every sandbox that it made ends with the test."""
    monkeypatch.delenv("E2B_DOMAIN", raising=False)
    for name, value in outside.settings.items():
        monkeypatch.setenv(name, value)
    yield outside.call
    for entry in outside.list():
        outside.request("DELETE", f"/sandboxes/{entry['sandboxID']}", expect=(204, 404))


@pytest.fixture
def node(outside, lab, packages):
    """node(script): runs an ES module against the lab's server -> its output."""
    def run(script):
        text = ("import { createRequire } from 'node:module'\n"
                f"const require = createRequire({json.dumps(str(packages / 'node') + '/')})\n"
                "const { Sandbox, ALL_TRAFFIC } = require('e2b')\n" + script)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("E2B_")}
        done = subprocess.run([*lab.host.wrapper(), "node", "--input-type=module", "-e", text], capture_output=True, text=True,
                              timeout=120, env={**environment, **outside.settings})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return run
