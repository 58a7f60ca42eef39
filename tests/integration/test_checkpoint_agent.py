"""What the agent makes of its sandbox when that goes on from an image: randomness, names, tokens, and who still listens."""

import contextlib
import hashlib
import json
import pathlib
import sqlite3
import subprocess
import threading

import pytest

import interpreter
import warren
from test_checkpoint import SPARE_SLOTS, criu_binary, dump_of, restored  # noqa: F401 (criu_binary is a fixture)

IDS = ("copyoneaaaaaaaaaaaaa", "copytwobbbbbbbbbbbbb")
TOKENS = ("a1" * 32, "b2" * 32)
SEED = "import random, ssl, uuid, tempfile, numpy; kept = 'python'; random.seed(1); numpy.random.seed(1); ssl.RAND_bytes(8)"
DRAW = """import os, secrets
{"random": random.random(), "numpy": float(numpy.random.rand()), "generator": float(numpy.random.default_rng().random()),
 "ssl": ssl.RAND_bytes(8).hex(), "uuid1": str(uuid.uuid1()), "uuid4": str(uuid.uuid4()), "secrets": secrets.token_hex(8),
 "tempfile": next(tempfile._get_candidate_names())}"""
JS_SEED = "const kept = 'js'; crypto.randomUUID(); require('crypto').randomBytes(8); require('crypto').randomInt(1000); Math.random(); 1"
JS_DRAW = """JSON.stringify({math: Math.random(), bytes: require('crypto').randomBytes(8).toString('hex'), uuid: crypto.randomUUID(),
    key: require('crypto').generateKeyPairSync('ed25519').publicKey.export({type: 'spki', format: 'der'}).toString('hex'),
    int: require('crypto').randomInt(2 ** 40), values: String(crypto.getRandomValues(new Uint32Array(2)))})"""


def control_token(server, sandbox_id):
    """The server's own, which no client ever sees."""
    database = pathlib.Path(server.data) / "server/warren.db"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return db.execute("SELECT control_token FROM sandboxes WHERE id = ?", (sandbox_id,)).fetchone()[0]


class Inside:
    """The agent of a sandbox, by its network namespace alone."""

    def __init__(self, netns):
        self.netns = netns

    def http(self, method, path, body=None, port=warren.AGENT_PORT, headers=()):
        command = ["nsenter", f"--net={self.netns}", "curl", "-sS", "-m", "60", "-X", method, "-w", "\n%{http_code}",
                   *(part for header in headers for part in ("-H", header)), f"http://127.0.0.1:{port}{path}"]
        if body is not None:
            command += ["--data-binary", "@-", "-H", "Content-Type: application/json"]
        done = subprocess.run(command, input=None if body is None else json.dumps(body), capture_output=True, text=True, check=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def init(self, body, token):
        return self.http("POST", "/init", body, headers=(f"X-Warren-Control: {token}",) if token else ())

    def read(self, path):
        status, text = self.http("GET", f"/files?path={path}")
        assert status == 200, text
        return text

    def cell(self, code, language="python", **extra):
        body = {"code": code, **({"language": language} if "context_id" not in extra else {}), **extra}
        status, text = self.http("POST", "/execute", body, port=interpreter.PORT)
        assert status == 200, text
        lines = [json.loads(line) for line in text.splitlines()]
        errors = [line for line in lines if line["type"] == "error"]
        assert not errors, errors
        results = [line["text"] for line in lines if line["type"] == "result"]
        return results[0] if results else None


def test_init_is_for_the_server_alone(fresh):
    sandbox = fresh()
    agent = Inside(f"/proc/{sandbox.agent_pid()}/ns/net")
    token = control_token(sandbox.server, sandbox.id)
    assert len(token) == 64
    event = {"event": "resumed"}
    for wrong in (None, "", "0" * 64, token[:-1], token + "0"):
        assert agent.init(event, wrong)[0] == 401
        assert agent.http("GET", "/init", headers=(f"X-Warren-Control: {wrong}",))[0] == 401
    # Whoever knows it does not get there from outside.
    status, body = sandbox.http("POST", "/init", json.dumps(event), headers={"X-Warren-Control": token})
    assert status == 404 and b"reserved" in body
    assert agent.init(event, token) == (204, "")
    expected = hashlib.sha256(sandbox.id.encode()).hexdigest()[:32] + "\n"
    warren.wait_for(lambda: agent.read("/etc/machine-id") == expected, 30, "the machine has an id, as after a first boot")
    assert token not in json.dumps(sandbox.server.request("GET", f"/sandboxes/{sandbox.id}"))


@pytest.fixture
def copies(fresh, tmp_path, criu_binary):  # noqa: F811
    """A sandbox with state in three interpreters, a cell that runs, and two copies of it -> [Inside]."""
    sandbox = fresh()
    token = control_token(sandbox.server, sandbox.id)
    for code, language in ((SEED, "python"), (JS_SEED, "javascript"), ("RANDOM=1; kept=bash", "bash")):
        assert interpreter.execute(sandbox, code, language=language).error is None
    busy = json.loads(sandbox.http("POST", "/contexts", json.dumps({"language": "python"}), port=interpreter.PORT)[1])["id"]
    runs = threading.Thread(target=interpreter.execute, args=(
        sandbox, "open('/tmp/runs', 'w').close()\nimport os, time\nwhile not os.path.exists('/tmp/end'): time.sleep(0.02)\nended = True"),
        kwargs={"context_id": busy})
    runs.start()
    try:
        warren.wait_for(lambda: sandbox.run("test -e /tmp/runs").code == 0, 20, "the cell runs")
        image, files, lower = dump_of(sandbox, tmp_path, criu_binary)
        with contextlib.ExitStack() as stack:
            made = []
            for number, slot in enumerate(SPARE_SLOTS):
                _, netns, _ = stack.enter_context(restored(image, files, lower, slot, tmp_path / str(slot), criu_binary))
                made.append(Inside(netns))
                made[-1].old_token, made[-1].old_id, made[-1].busy = token, sandbox.id, busy
            yield made
    finally:
        sandbox.check("touch /tmp/end")
        runs.join(20)
    assert not runs.is_alive(), "the original's cell ends as if nothing had happened"


def test_forks_share_nothing_new(copies):
    for inside, name, token in zip(copies, IDS, TOKENS):
        body = {"event": "forked", "sandboxId": name, "controlToken": token, "envVars": {"MINE": name[:7]}}
        assert inside.init(body, "0" * 64)[0] == 401
        assert inside.init(body, inside.old_token) == (204, "")
        assert inside.init(body, inside.old_token)[0] == 401
        assert inside.init({"event": "resumed"}, token) == (204, "")

    drawn = [{**eval(one.cell(DRAW)), **json.loads(one.cell(JS_DRAW, "javascript"))} for one in copies]  # of our own making
    assert {key for key in drawn[0] if drawn[0][key] == drawn[1][key]} == set()
    numbers = [one.http("POST", "/execute", {"code": "echo $RANDOM $RANDOM $RANDOM $kept", "language": "bash"}, interpreter.PORT)[1]
               for one in copies]
    assert numbers[0] != numbers[1] and all("bash" in text for text in numbers)

    for inside, name in zip(copies, IDS):
        assert inside.cell("kept") == "python" and inside.cell("kept", "javascript") == "js"
        look = "import os; os.environ['E2B_SANDBOX_ID'], os.environ['MINE']"
        assert inside.cell(look) == repr((name, name[:7]))
        assert inside.read("/run/e2b/.E2B_SANDBOX_ID") == name
        assert inside.read("/etc/machine-id") == hashlib.sha256(name.encode()).hexdigest()[:32] + "\n"
        assert inside.old_id not in inside.read("/etc/hosts")
        # No nest is there to fork a new context: Python is started as a program, and knows its name.
        made = json.loads(inside.http("POST", "/contexts", {"language": "python"}, interpreter.PORT)[1])
        assert inside.cell(look, context_id=made["id"]) == repr((name, name[:7]))


def test_who_listened_is_gone_and_nothing_else(copies):
    """The streams of the dump's moment have ended, as if their clients had left; processes and contexts go on."""
    inside = copies[0]
    assert inside.init({"event": "resumed"}, inside.old_token) == (204, "")
    listed = json.loads(inside.http("POST", "/process.Process/List", {})[1])["processes"]
    ticking = [process for process in listed if "ticks" in " ".join(process["config"].get("args", []))]
    assert len(ticking) == 1
    # The cell goes on without its client, until it ends by itself; then its context is free.
    inside.cell("open('/tmp/end', 'w').close()")
    assert inside.cell("ended", context_id=inside.busy) == "True"
    selector = json.dumps({"process": {"pid": ticking[0]["pid"]}}).encode()
    done = subprocess.run(["nsenter", f"--net={inside.netns}", "curl", "-s", "-m", "2", "-H", "Content-Type: application/connect+json",
                           "-H", "Connect-Protocol-Version: 1", "--data-binary", "@-",
                           f"http://127.0.0.1:{warren.AGENT_PORT}/process.Process/Connect"],
                          input=b"\0" + len(selector).to_bytes(4, "big") + selector, capture_output=True, check=False)
    assert b'"start"' in done.stdout and done.returncode == 28, "the stream goes on until its client has enough"
    status, _ = inside.http("POST", "/process.Process/SendSignal", {"process": {"pid": ticking[0]["pid"]}, "signal": "SIGNAL_SIGKILL"})
    assert status == 200
