"""What lives on through pauses to the disk: the same programs, with the same state, three times over."""

import pathlib

import interpreter
import pytest
import warren

GUEST = pathlib.Path(__file__).with_name("persistence_guest.py")
ROUNDS = 3


def names():
    """Of the cases, as the guest declares them."""
    lines = GUEST.read_text().splitlines()
    return [lines[number + 1].split("(")[0].removeprefix("def ") for number, line in enumerate(lines) if line == "@case"]


@pytest.fixture(scope="module")
def outcome(server):
    """All cases at once in one sandbox, paused and resumed three times -> what each case said, for each round.

    A case that fails after one round says the same for the following ones."""
    with server.sandbox(timeout=600, pids=2000) as sandbox:
        sandbox.put("/tmp/persistence_guest.py", GUEST.read_bytes())
        sandbox.check("mkdir -m 777 /tmp/cases", user="root")
        for name in names():
            sandbox.start(f"exec python3 -u /tmp/persistence_guest.py {name} >/tmp/cases/{name}.log 2>&1").close()

        def said(number):
            found = {}
            for name in names():
                text = sandbox.run(f"cat /tmp/cases/{name}.said 2>/dev/null").out
                if text.strip() == str(number) or text.startswith("failed"):
                    found[name] = text
            return found if len(found) == len(names()) else None

        rounds = [warren.wait_for(lambda: said(0), 60, "all cases are ready")]
        for number in range(ROUNDS):
            sandbox.pause()
            assert sandbox.detail()["pause"]["level"] == "hibernated", sandbox.detail()["pause"]
            sandbox.resume(timeout=600)
            sandbox.check(f"touch /tmp/cases/go.{number}")
            rounds.append(warren.wait_for(lambda: said(number + 1), 60, f"all cases have answered in round {number + 1}"))  # noqa: B023
        yield rounds


@pytest.mark.parametrize("name", names())
def test_case(outcome, name):
    for number, said in enumerate(outcome):
        assert said[name].strip() == str(number)


def test_criu_looks_at_the_kernel_once(server, fresh):
    sandbox = fresh()
    sandbox.pause()
    facts = pathlib.Path(server.run_dir) / "criu/criu.kdat"
    before = facts.stat()
    assert before.st_uid == 0 and facts.parent.stat().st_mode & 0o777 == 0o700
    sandbox.resume()
    sandbox.pause()
    assert facts.stat().st_ino == before.st_ino


def test_a_context_of_500_megabytes(fresh):
    sandbox = fresh(memoryBytes=2 << 30)
    interpreter.execute(sandbox, "import hashlib, os; block = os.urandom(1 << 20); data = bytearray(block * 500)")
    digest = interpreter.execute(sandbox, "hashlib.sha256(data).hexdigest()").text
    sandbox.pause()
    assert sandbox.detail()["pause"]["level"] == "hibernated"
    assert sandbox.detail()["pause"]["bytes"] > 500 << 20
    sandbox.resume()
    assert interpreter.execute(sandbox, "hashlib.sha256(data).hexdigest()").text == digest


def test_a_paused_one_holds_nothing(server, fresh):
    sandbox = fresh()
    interpreter.execute(sandbox, "x = 1")
    inodes = sandbox.namespaces().values()
    sandbox.pause()
    warren.wait_for(lambda: not server.host.members(sandbox.id), 20, "no process is left")
    warren.wait_for(lambda: not warren.processes_in_namespaces(set(inodes)), 20, "no namespace is left")
    assert sandbox.id not in server.host.cgroups()
    sandbox.resume()
    assert interpreter.execute(sandbox, "x + 1").text == "2"


TRACED = """
import ctypes, os, signal, time
child = os.fork()
if child == 0:
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(1000)
os.waitpid(child, 0)
print("traced", flush=True)
time.sleep(1000)
"""


def test_what_cannot_be_dumped_stays_frozen_and_says_why(server, fresh):
    sandbox = fresh()
    program = sandbox.start(["python3", "-c", TRACED])
    assert next(data for kind, data in program.events() if kind == "out") == b"traced\n"
    connection = warren.UnixConnection(server.socket)
    connection.request("POST", f"/sandboxes/{sandbox.id}/pause", "{}", {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 204
    assert response.headers["X-Warren-Pause-Level"] == "frozen"
    assert "trace" in response.headers["X-Warren-Pause-Reason"]
    connection.close()
    pause = sandbox.detail()["pause"]
    assert pause["level"] == "frozen" and "trace" in pause["reason"]
    assert server.host.members(sandbox.id)
    sandbox.resume()
    assert sandbox.check("pgrep -c python3") == "2\n"


def test_frozen_and_back(server, fresh):
    sandbox = fresh()
    sandbox.start("i=0; while :; do i=$((i+1)); echo $i >/tmp/ticks; sleep 0.01; done").started()
    upper = pathlib.Path(server.data) / "volume" / "sandboxes" / sandbox.id / "u/tmp/ticks"
    warren.wait_for(lambda: upper.exists() and upper.read_text(), 30, "it ticks")
    sandbox.pause(level="frozen")
    assert sandbox.detail()["pause"]["level"] == "frozen"
    members = server.host.members(sandbox.id)
    assert members
    before = upper.read_text()
    assert sandbox.http("GET", "/health")[0] == 502
    assert upper.read_text() == before
    sandbox.resume()
    warren.wait_for(lambda: upper.read_text() not in ("", before), 30, "it ticks on")
    assert set(members) & set(server.host.members(sandbox.id))
