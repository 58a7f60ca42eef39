"""What goes on in a sandbox when a pause, a fork or a rollback cuts its clients off: cells, processes, watchers, uploads."""

import base64
import http.client
import json
import os
import signal
import time

import interpreter
import pytest
import warren

CUT = (OSError, http.client.HTTPException)
LEVELS = ("hibernated", "frozen")
# Goes on until it is told; whoever interrupts it shows.
WAIT = """
import os, time
state, ends = 'begun', []
try:
    print('under way')
    while not os.path.exists('/tmp/go'): time.sleep(0.01)
    state = 'over'
    print(state)
except KeyboardInterrupt:
    ends.append('interrupted')
"""
SLEEP = "try:\n    print('under way'); time.sleep(300)\nexcept KeyboardInterrupt:\n    state = 'interrupted'"
LANGUAGES = {
    "python": (WAIT, "state, ends", "('over', [])"),
    "bash": ("state=begun; echo under way; until test -e /tmp/go; do sleep 0.01; done; state=over", "echo $state", "over"),
    "javascript": ("let state = 'begun'; const fs = require('fs'); console.log('under way');\n"
                   "while (!fs.existsSync('/tmp/go')) { await new Promise((done) => setTimeout(done, 10)); }\nstate = 'over'", "state", "over"),
}


def begin(sandbox, code, **fields):
    """A cell that has said that it is under way -> Stream."""
    stream = interpreter.start(sandbox, code, **fields)
    assert any("under way" in message.get("text", "") for message in stream)
    return stream


def rest(stream):
    """What else came -> the texts, whether it was all."""
    messages = list(stream)
    stream.close()
    return [message["text"].strip() for message in messages if message["type"] == "stdout"], \
        bool(messages) and messages[-1]["type"] == "end_of_execution"


def outcome(sandbox, language="python"):
    """What has become of its cell, which may end now."""
    sandbox.check("touch /tmp/go")
    answer = interpreter.execute(sandbox, LANGUAGES[language][1], language=language)
    assert answer.error is None, answer.error
    return (answer.text or answer.stdout).strip()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_cell_goes_on(fresh, language, level):
    sandbox = fresh()
    stream = begin(sandbox, LANGUAGES[language][0], language=language)
    sandbox.pause(level=level)
    assert sandbox.detail()["pause"]["level"] == level
    assert not rest(stream)[1], "its client is cut off"
    sandbox.resume()
    assert outcome(sandbox, language) == LANGUAGES[language][2]


def test_more_than_once_and_deeper(fresh):
    sandbox = fresh()
    stream = begin(sandbox, WAIT)
    sandbox.pause(level="frozen")
    sandbox.pause(level="hibernated")
    stream.close()
    sandbox.resume()
    sandbox.pause(level="frozen")
    sandbox.resume()
    sandbox.pause()
    sandbox.resume()
    assert outcome(sandbox) == "('over', [])"


@pytest.mark.parametrize("level", LEVELS)
def test_cells_that_wait_run_in_their_order(fresh, level):
    sandbox = fresh()
    streams = [begin(sandbox, WAIT), *(interpreter.start(sandbox, f"ends.append({number})") for number in range(3))]
    sandbox.pause(level=level)
    assert not any(rest(stream)[1] for stream in streams)
    sandbox.resume()
    assert outcome(sandbox) == "('over', [0, 1, 2])"


@pytest.mark.parametrize("level", LEVELS)
def test_later_clients_interrupt_as_before(fresh, level):
    sandbox = fresh()
    interpreter.execute(sandbox, "import time\nstate, ends = 'begun', []")
    sandbox.pause(level=level)
    sandbox.resume()
    begin(sandbox, SLEEP).close()
    assert outcome(sandbox) == "('interrupted', [])"


def test_one_that_never_ends_can_be_ended(fresh):
    sandbox = fresh()
    context = interpreter.new_context(sandbox)
    stream = begin(sandbox, "print('under way')\nwhile True: pass", context_id=context)
    sandbox.pause(level="frozen")
    stream.close()
    sandbox.resume()
    assert interpreter.call(sandbox, "POST", f"/contexts/{context}/restart")[0] == 200
    assert interpreter.execute(sandbox, "1 + 1", context_id=context).text == "2"


def test_a_request_on_its_way_is_not_interrupted(fresh):
    """It may be lost with its connection; what has begun goes on."""
    sandbox = fresh()
    interpreter.execute(sandbox, "import time\nbegan, ended = [], []")
    for number in range(12):
        connection = warren.UnixConnection(sandbox.server.socket)
        code = f"began.append({number}); time.sleep(0.05); ended.append({number})"
        connection.request("POST", "/execute", json.dumps({"code": code}),
                           sandbox._headers(interpreter.PORT, {"Content-Type": "application/json"}))
        time.sleep(number / 4000)
        sandbox.pause(level="frozen")
        sandbox.resume()
        connection.close()
    assert interpreter.execute(sandbox, "began == ended").text == "True"


def test_an_agent_that_hangs_does_not_keep_it_from_being_paused(fresh):
    sandbox = fresh()
    stream = begin(sandbox, WAIT)
    os.kill(sandbox.agent_pid(), signal.SIGSTOP)
    sandbox.pause(level="frozen")
    assert sandbox.detail()["pause"]["level"] == "frozen"
    assert not rest(stream)[1]
    os.kill(sandbox.agent_pid(), signal.SIGCONT)
    sandbox.resume()
    assert outcome(sandbox).startswith("(")


def test_a_fork_and_its_original_go_on(server, fresh):
    sandbox = fresh()
    stream = begin(sandbox, WAIT)
    forks = [warren.Sandbox(server, one["sandbox"]) for one in
             server.request("POST", f"/sandboxes/{sandbox.id}/fork", {"count": 2, "timeout": 120}, 201, timeout=120)]
    try:
        for one in forks:
            assert outcome(one) == "('over', [])"
        sandbox.check("touch /tmp/go")
        assert rest(stream) == (["over"], True), "the original's client has noticed nothing"
        # A later one that leaves is heard, in either.
        for one in (sandbox, *forks):
            begin(one, SLEEP).close()
            assert outcome(one) == "('interrupted', [])"
    finally:
        for one in forks:
            one.kill()


def test_a_rollback_goes_on_from_the_middle(server, fresh):
    sandbox = fresh()
    stream = begin(sandbox, WAIT)
    snapshot = sandbox.snapshot()
    try:
        assert outcome(sandbox) == "('over', [])" and rest(stream) == (["over"], True)
        interpreter.execute(sandbox, "state = 'lost'")
        server.request("POST", f"/sandboxes/{sandbox.id}/rollback", {"snapshotID": snapshot}, timeout=120)
        assert outcome(sandbox) == "('over', [])"
    finally:
        sandbox.kill()
        server.remove_snapshot(snapshot)


def connect(sandbox, pid):
    """process.Process/Connect -> Process."""
    connection = warren.UnixConnection(sandbox.server.socket)
    connection.request("POST", "/process.Process/Connect", warren.envelope({"process": {"pid": pid}}),
                       sandbox._headers(warren.AGENT_PORT, {"Content-Type": "application/connect+json", "Connect-Protocol-Version": "1"}))
    return warren.Process(connection, connection.getresponse())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pty", (False, True))
def test_a_process_goes_on(fresh, pty, level):
    sandbox = fresh()
    process = sandbox.start("trap 'echo signal' INT HUP; echo begun; until test -e /tmp/go; do sleep 0.02; done; echo done; exit 7",
                            pty=pty).started()
    assert next(data for kind, data in process.stream if kind in ("out", "pty")).strip() == b"begun"
    sandbox.pause(level=level)
    with pytest.raises(CUT):
        list(process.stream)
    sandbox.resume()
    again = connect(sandbox, process.pid).started()
    sandbox.check("touch /tmp/go")
    result = again.finish()
    assert (result.out.strip(), result.code) == ("done", 7)


def opened(sandbox):
    """What the agent has open."""
    return list(warren.descriptors(sandbox.agent_pid()).values())


def rpc(sandbox, method, message):
    status, body = sandbox.http("POST", f"/filesystem.Filesystem/{method}", json.dumps(message), user="user",
                                headers={"Content-Type": "application/json", "Connect-Protocol-Version": "1"})
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize("level", LEVELS)
def test_watchers_miss_nothing(fresh, level):
    sandbox = fresh()
    sandbox.check("mkdir watched")
    watcher = rpc(sandbox, "CreateWatcher", {"path": "watched"})
    sandbox.check("touch watched/before")
    stream = warren.UnixConnection(sandbox.server.socket)
    stream.request("POST", "/filesystem.Filesystem/WatchDir", warren.envelope({"path": "watched"}), sandbox._headers(warren.AGENT_PORT, {
        "Authorization": warren.basic("user"), "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1"}))
    response = stream.getresponse()
    assert response.status == 200
    sandbox.pause(level=level)
    with pytest.raises(CUT):
        response.read()
    stream.close()
    sandbox.resume()
    sandbox.check("touch watched/after")
    events = rpc(sandbox, "GetWatcherEvents", watcher)["events"]
    created = [event["name"] for event in events if event["type"] == "EVENT_TYPE_CREATE"]
    assert created == ["before", "after"]
    warren.wait_for(lambda: [what for what in opened(sandbox) if "inotify" in what] == ["anon_inode:inotify"], 10,
                    "the stream's watcher went with it")


@pytest.mark.parametrize("level", LEVELS)
def test_an_upload_ends_where_it_was(fresh, level):
    sandbox = fresh()
    half = base64.b64encode(b"u" * 3000) * 100
    upload = warren.UnixConnection(sandbox.server.socket)
    upload.putrequest("POST", "/files?path=/tmp/upload")
    for name, value in sandbox._headers(warren.AGENT_PORT, {"Content-Type": "application/octet-stream",
                                                            "Content-Length": str(2 * len(half))}).items():
        upload.putheader(name, value)
    upload.endheaders(half)
    warren.wait_for(lambda: sandbox.check("stat -c %s /tmp/upload 2>/dev/null || true").strip() == str(len(half)), 30, "half is there")
    sandbox.pause(level=level)
    try:
        assert upload.getresponse().status >= 500
    except CUT:
        pass
    upload.close()
    sandbox.resume()
    assert sandbox.http("GET", "/files?path=/tmp/upload") == (200, half)
    warren.wait_for(lambda: not any("upload" in what for what in opened(sandbox)), 30, "nobody writes it any more")
    sandbox.put("/tmp/upload", b"new")
    assert sandbox.http("GET", "/files?path=/tmp/upload") == (200, b"new")
