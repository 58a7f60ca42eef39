"""Blank sandboxes: what is given out is an ordinary sandbox of one user, what is not is nobody's, and nothing stays behind.

Runs with the pool on; the rest of the suite has it off."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import signal

import pytest

import interpreter
import warren
from test_checkpoint_agent import Inside, control_token
from test_lifecycle import can_list, crash_engine

COUNT = 2
POOL = ("--blanks", f"{warren.TEMPLATE}={COUNT}", "--log-level", "debug")
READY = re.compile(r'msg="a blank sandbox is ready" sandbox=([a-z0-9]{20})')
PROCESSORS = len(os.sched_getaffinity(0))
PREPARE_S = 60  # the first one may have to wait for its template's interpreter


@pytest.fixture(scope="module")
def pool(server):
    server.terminate()
    server.host.wait_engine_gone()
    server.start(*POOL)
    yield server
    if server.process.poll() is None:
        for entry in server.list():
            server.request("DELETE", f"/sandboxes/{entry['sandboxID']}", expect=(204, 404))
        server.terminate()
    server.host.wait_engine_gone()
    server.start()


def alive(server):
    """Ids of sandboxes with an agent: those of clients and blanks. (A zygote has groups with such names too, but is no PID 1.)"""
    leaves = {leaf for _, leaf in server.host.cgroups() if re.fullmatch("[a-z0-9]{20}", leaf)}
    return {leaf for leaf in leaves if any(warren.namespace_pid(pid) == 1 for pid in server.host.members(leaf))}


def ready(server):
    """Ids of the blanks that wait for a user."""
    return (set(READY.findall(server.full_log())) & alive(server)) - {entry["sandboxID"] for entry in server.list()}


def full(server):
    """Waits until the pool is full -> ids."""
    return warren.wait_for(lambda: (lambda ids: ids if len(ids) == COUNT else None)(ready(server)), PREPARE_S, "the pool is full")


def only_known_ones(server, made):
    """The user's sandbox and the pool: one that was being prepared when its server or engine died goes, too."""
    warren.wait_for(lambda: alive(server) == ready(server) | {made.id}, 30,
                    "nothing runs but the pool and what was given out")


def test_a_blank_is_given_out_as_it_was_asked_for(pool):
    blanks = full(pool)
    body = {"templateID": warren.TEMPLATE, "timeout": 300, "envVars": {"GREETING": "hello world"}, "metadata": {"who": "me"},
            "limits": {"memoryBytes": 512 << 20, "cpuMillis": 1500, "pids": 200, "diskBytes": 64 << 20}}
    info = pool.request("POST", "/v2/sandboxes", body, 201)
    made = warren.Sandbox(pool, info)
    assert made.id in blanks and info["envdAccessToken"]
    assert [entry["sandboxID"] for entry in pool.list()] == [made.id]
    shown = pool.request("GET", f"/sandboxes/{made.id}")
    assert shown["metadata"] == {"who": "me"} and shown["memoryMB"] == 512
    first = interpreter.execute(made, "import os; os.environ['GREETING'], os.environ['E2B_SANDBOX_ID']")
    assert first.text == repr(("hello world", made.id)) and first.count == 1
    assert made.check("echo $GREETING") == "hello world\n"
    metrics = made.metrics()
    assert metrics["memTotal"] == 512 << 20 and metrics["diskTotal"] == 64 << 20
    assert "File too large" in (done := made.run("fallocate -l 100M big")).err or "No space" in done.err or "quota" in done.err.lower()
    # The token counts on both ports.
    stranger = warren.Sandbox(pool, {"sandboxID": made.id})
    assert stranger.http("GET", "/metrics")[0] == 401
    assert stranger.http("POST", "/execute", '{"code": "1"}', port=interpreter.PORT)[0] == 401
    made.kill()
    pool.host.assert_gone(made.id)


@pytest.mark.parametrize(("millis", "variables", "expected"), [
    (1000, {}, 1), (2000, {}, min(2, PROCESSORS)), (1000, {"OMP_NUM_THREADS": "3"}, 3)])
def test_matrix_products_take_the_threads_of_the_user(pool, millis, variables, expected):
    """The context was there before the limit and the variables."""
    blanks = full(pool)
    with pool.sandbox(env=variables, cpuMillis=millis) as made:
        assert made.id in blanks
        code = "import os, numpy; numpy.ones((512, 512)) @ numpy.ones((512, 512)); len(os.listdir('/proc/self/task'))"
        assert interpreter.execute(made, code).text == str(expected)


def test_without_secure_nobody_needs_a_token(pool):
    blanks = full(pool)
    with pool.sandbox() as made:
        assert made.id in blanks and "envdAccessToken" not in made.info
        assert made.check("true; echo fine") == "fine\n"
        assert interpreter.execute(made, "6 * 7").text == "42"


def test_the_server_stays_in_control(pool):
    """The tokens of the blank are worth nothing any more; the control token in the row is the one that counts."""
    blanks = full(pool)
    with pool.sandbox() as made:
        assert made.id in blanks
        agent = Inside(f"/proc/{made.agent_pid()}/ns/net")
        assert agent.init({}, None)[0] == 401
        assert agent.init({}, control_token(pool, made.id))[0] == 409  # it has its user
        assert agent.init({"event": "resumed"}, control_token(pool, made.id))[0] == 204


def test_what_waits_is_nobodys(pool):
    for one in full(pool):
        assert pool.list() == []
        assert pool.raw("GET", f"/sandboxes/{one}")[0] == 404
        assert pool.raw("GET", f"/v2/sandboxes/{one}/logs")[0] == 404
        assert pool.raw("DELETE", f"/sandboxes/{one}")[0] == 404
        assert pool.raw("POST", f"/sandboxes/{one}/connect", '{"timeout": 60}')[0] == 404
        sandbox = warren.Sandbox(pool, {"sandboxID": one})
        for port, path in ((warren.AGENT_PORT, "/health"), (warren.AGENT_PORT, "/init"), (interpreter.PORT, "/health")):
            assert sandbox.http("GET", path, port=port)[0] in (404, 502)
    assert len(full(pool)) == COUNT


SECRETS = """
import hashlib, os, random, secrets, ssl, tempfile, uuid
import numpy
{"random": random.random(), "numpy": float(numpy.random.rand()), "generator": float(numpy.random.default_rng().random()),
 "urandom": os.urandom(8).hex(), "uuid4": str(uuid.uuid4()), "uuid1": str(uuid.uuid1()), "secrets": secrets.token_hex(8),
 "ssl": ssl.RAND_bytes(8).hex(), "tempfile": next(tempfile._get_candidate_names())}
"""
TRACES = "[name for name in list(globals()) if not name.startswith('_') and name not in ('In', 'Out', 'get_ipython', 'exit', 'quit', 'open')]"


def test_two_users_share_nothing_of_the_blank_state(pool):
    full(pool)
    with pool.sandbox(env={"MINE": "1"}) as one, pool.sandbox(env={"OTHER": "2"}) as two:
        first, second = (eval(interpreter.execute(made, SECRETS).text) for made in (one, two))  # of our own making
        assert {key for key in first if first[key] == second[key]} == set()
        for made, mine, other in ((one, "MINE", "OTHER"), (two, "OTHER", "MINE")):
            environment = eval(interpreter.execute(made, "import os; dict(os.environ)").text)
            assert mine in environment and other not in environment and environment["E2B_SANDBOX_ID"] == made.id
        # Nor is there anything of the first cell that the blank has run by itself.
        plain = interpreter.execute(two, "len(In), len(Out)")
        assert plain.count == 3 and plain.text == "(4, 2)"
        assert two.check("ls -A /tmp /home/user | grep -v '^$'").split() == one.check("ls -A /tmp /home/user | grep -v '^$'").split()


def test_no_name_is_left_of_the_warm_cell(pool):
    full(pool)
    with pool.sandbox() as made:
        assert eval(interpreter.execute(made, TRACES).text) == []


def test_more_users_than_blanks(pool):
    full(pool)
    with concurrent.futures.ThreadPoolExecutor(6) as many:
        made = list(many.map(lambda _: pool.create(), range(6)))
    try:
        assert len({one.id for one in made}) == 6
        assert all(interpreter.execute(one, "1 + 1").text == "2" for one in made)
    finally:
        for one in made:
            one.kill()
    pool.host.assert_gone(*[one.id for one in made])


def test_a_blank_that_dies_is_replaced(pool):
    blanks = full(pool)
    for one in blanks:
        os.kill(warren.Sandbox(pool, {"sandboxID": one}).agent_pid(), signal.SIGKILL)
    with pool.sandbox() as made:
        assert made.check("echo fine") == "fine\n"
        assert interpreter.execute(made, "1 + 1").text == "2"
    pool.host.assert_gone(*blanks)
    assert not full(pool) & blanks


def test_a_template_that_was_made_again(pool):
    """Blanks of the old one are not given out."""
    blanks = full(pool)
    manifest = pathlib.Path(pool.data, "templates", f"{warren.TEMPLATE}.json")
    again = manifest.with_suffix(".again")
    shutil.copy(manifest, again)
    os.replace(again, manifest)
    with pool.sandbox() as made:
        assert made.id not in blanks
    assert not full(pool) & blanks
    pool.host.assert_gone(*blanks)


def test_kill_of_the_server(pool):
    """The next server ends the blanks of the one before, and only these."""
    blanks = full(pool)
    made = pool.create()
    pool.kill9()
    pool.start(*POOL)
    assert made.alive() and made.check("echo fine") == "fine\n"
    pool.host.assert_gone(*(blanks - {made.id}))
    assert not full(pool) & blanks
    only_known_ones(pool, made)
    made.kill()


def test_kill_of_the_engine(pool):
    blanks = full(pool)
    with pool.sandbox() as made:
        crash_engine(pool)
        pool.host.assert_gone(*(blanks - {made.id}))
        assert made.check("echo fine") == "fine\n"
        assert not full(pool) & blanks
        only_known_ones(pool, made)
    assert can_list(pool)


def test_the_end_of_the_server_is_the_end_of_its_blanks(pool):
    blanks = full(pool)
    pool.terminate()
    assert not any(pool.host.members(one) for one in blanks)
    pool.host.wait_engine_gone()
    pool.start(*POOL)
    pool.host.assert_gone(*blanks)
    full(pool)
