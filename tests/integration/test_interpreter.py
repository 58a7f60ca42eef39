"""The code interpreter over HTTP, against real sandboxes: order, streaming, ends of all kinds."""

import base64
import concurrent.futures
import contextlib
import http.client
import itertools
import json
import re
import time

import interpreter
import pytest
import warren

from interpreter import execute, value

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
MISSING = "00000000-0000-4000-8000-000000000000"


def raw(sandbox, method, path, body=None, headers=None, timeout=60):
    """(status, header fields, body bytes)"""
    connection = warren.UnixConnection(sandbox.server.socket, timeout)
    try:
        connection.request(method, path, body, {**sandbox._headers(interpreter.PORT), **(headers or {})})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def contexts(sandbox):
    status, found = interpreter.call(sandbox, "GET", "/contexts")
    assert status == 200
    return found


def default(sandbox, language="python"):
    return next(context["id"] for context in contexts(sandbox) if context["language"] == language)


def execute_within(sandbox, seconds, code, **fields):
    """As execute(), for a cell that may wait for another one for ever: keepalives come meanwhile."""
    end = time.monotonic() + seconds
    messages = []
    with contextlib.closing(interpreter.start(sandbox, code, **fields)) as stream:
        for message in stream:
            messages.append(message)
            assert time.monotonic() < end, messages
    return interpreter.Answer(messages)


@pytest.fixture
def context(sandbox):
    """A context of its own, so that tests of one sandbox do not meet."""
    made = interpreter.new_context(sandbox)
    yield made
    interpreter.call(sandbox, "DELETE", f"/contexts/{made}")


# The wire.


def test_health(sandbox):
    status, fields, body = raw(sandbox, "GET", "/health")
    assert (status, body) == (200, b'"OK"')
    assert fields["Content-Type"] == "application/json"


def test_the_answer_is_lines_of_ascii_json(sandbox, context):
    cell = {"code": "print('\\u2028\\x85\\U0001f600 ä'); 'ä\\u2029'", "context_id": context}
    status, fields, body = raw(sandbox, "POST", "/execute", json.dumps(cell))
    assert status == 200
    assert "Content-Type" not in fields
    assert fields["Transfer-Encoding"] == "chunked"
    assert body.isascii() and body.endswith(b'\n{"type": "end_of_execution"}\n')
    messages = [json.loads(line) for line in body.decode().split("\n")[:-1]]
    assert len(messages) == len(body.decode().splitlines())
    assert [message["type"] for message in messages] == ["number_of_executions", "stdout", "result", "end_of_execution"]
    assert messages[1]["text"] == "\u2028\x85\U0001f600 ä\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", messages[1]["timestamp"])
    assert messages[2]["extra"] == {} and messages[2]["is_main_result"] is True


def test_the_head_comes_before_the_end(sandbox, context):
    stream = interpreter.start(sandbox, "import time; time.sleep(30)", context_id=context)
    assert stream.status == 200
    stream.close()


def test_one_connection_carries_several_requests(sandbox):
    connection = warren.UnixConnection(sandbox.server.socket)
    for _ in range(3):
        connection.request("POST", "/execute", json.dumps({"code": "1"}), sandbox._headers(interpreter.PORT))
        assert b"end_of_execution" in connection.getresponse().read()
    connection.close()


def test_web_pages_may_call(sandbox):
    status, fields, _ = raw(sandbox, "OPTIONS", "/execute", headers={
        "Origin": "https://example.org", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-access-token"})
    assert status in (200, 204)
    assert fields["Access-Control-Allow-Origin"] == "*" and "POST" in fields["Access-Control-Allow-Methods"]
    assert fields["Access-Control-Allow-Headers"] == "content-type,x-access-token"
    assert raw(sandbox, "GET", "/health", headers={"Origin": "https://example.org"})[1]["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("body, where", [
    (b"", None), (b"{", None), (b"[1]", None), (b"{}", "code"), (b'{"code": 1}', "code"), (b'{"code": null}', "code"),
    (b'{"code": {"context": {}, "language": "python"}}', "code"), (b'{"code": "1", "context_id": 1}', "context_id"),
    (b'{"code": "1", "env_vars": {"A": 1}}', "env_vars"), (b'{"code": "1", "env_vars": []}', "env_vars")])
def test_bodies_that_do_not_fit(sandbox, body, where):
    status, fields, answer = raw(sandbox, "POST", "/execute", body)
    assert status == 422 and fields["Content-Type"].startswith("application/json")
    detail = json.loads(answer)["detail"]
    assert detail[0]["loc"][0] == "body" and {"type", "msg"} <= set(detail[0])
    if where:
        assert detail[0]["loc"][1] == where


def test_requests_that_are_refused(sandbox):
    def refused(method, path, body):
        status, answer = interpreter.call(sandbox, method, path, body)
        return status, answer

    assert refused("POST", "/execute", {"code": "1", "context_id": "x", "language": "python"}) == (
        400, "Only one of context_id or language can be provided")
    missing = (404, f"Context {MISSING} not found")
    assert refused("POST", "/execute", {"code": "1", "context_id": MISSING}) == missing
    assert refused("POST", f"/contexts/{MISSING}/restart", None) == missing
    assert refused("DELETE", f"/contexts/{MISSING}", None) == missing
    status, text = refused("POST", "/execute", {"code": "1", "language": "cobol"})
    assert status == 500 and "cobol" in text
    status, text = refused("POST", "/contexts", {"language": "cobol"})
    assert status == 500 and text.startswith("Failed to create context: ")
    assert refused("GET", "/nothing", None) == (404, {"detail": "Not Found"})
    assert refused("GET", "/execute", None) == (405, {"detail": "Method Not Allowed"})
    assert refused("POST", "/execute", {"code": "1", "env_vars": {"A=B": "c"}})[0] == 400


def test_a_body_over_the_limit(sandbox):
    status, _, answer = raw(sandbox, "POST", "/execute", json.dumps({"code": "#" + "x" * (9 << 20)}))
    assert status == 413 and b"too large" in answer


def test_megabytes_of_code(sandbox, context):
    text = "ä" * (1 << 20)
    assert value(sandbox, f"print(len('{text}'))", context_id=context) == f"{1 << 20}\n"


def test_the_token_of_a_secure_sandbox(server):
    info = server.request("POST", "/sandboxes", {"templateID": warren.TEMPLATE, "timeout": 300, "secure": True}, 201)
    sandbox = warren.Sandbox(server, info)
    try:
        cell = json.dumps({"code": "1"})
        for token in ("", "wrong", info["envdAccessToken"][:-1] + "~"):
            status, _, text = raw(sandbox, "POST", "/execute", cell, {"X-Access-Token": token})
            assert status == 401 and b"X-Access-Token" in text
        assert raw(sandbox, "POST", "/execute", cell)[0] == 200
        # These do not get it from the clients.
        for method, path in (("GET", "/health"), ("GET", "/contexts"), ("POST", "/contexts")):
            assert raw(sandbox, method, path, headers={"X-Access-Token": ""})[0] == 200
    finally:
        sandbox.kill()


# Cells.


def test_state_count_and_errors(sandbox, context):
    assert execute(sandbox, "x = 1; x", context_id=context).text == "1"
    answer = execute(sandbox, "x = x +* 1", context_id=context)
    assert answer.error["name"] == "SyntaxError" and answer.count == 2
    answer = execute(sandbox, "x += 1\nx", context_id=context)
    assert (answer.text, answer.count) == ("2", 3)
    answer = execute(sandbox, "undefined", context_id=context)
    assert (answer.error["name"], answer.error["value"]) == ("NameError", "name 'undefined' is not defined")
    assert isinstance(answer.error["traceback"], str)


def test_one_print_is_one_message(sandbox, context):
    answer = execute(sandbox, "import sys\nprint('hello')\nprint('oops', file=sys.stderr)\nprint('again')", context_id=context)
    assert [(m["type"], m["text"]) for m in answer.messages[1:-1]] == [
        ("stdout", "hello\n"), ("stderr", "oops\n"), ("stdout", "again\n")]


def test_text_comes_while_the_cell_runs(sandbox, context):
    # Text without a line break is sent at once when none was for a while.
    code = ("import os, time\ndef wait(seen):\n    while not os.path.exists(f'/tmp/seen-{seen}'): time.sleep(0.1)\n"
            "    time.sleep(0.1)\n"
            "print('one')\nwait(1)\nprint('two', end='')\nwait(2)\nprint('three')\ntime.sleep(30)")
    stream = interpreter.start(sandbox, code, context_id=context)
    texts = []
    for message in stream:
        if message["type"] == "stdout":
            texts.append(message["text"])
            sandbox.check(f"touch /tmp/seen-{len(texts)}")  # before that it says no more
        if "three\n" in texts:
            break
    stream.close()
    assert texts == ["one\n", "two", "three\n"]


def test_subprocesses_write_in_order(sandbox, context):
    code = "import subprocess\nfor i in range(100):\n    print('own', i)\n    subprocess.run(['echo', 'child', str(i)])\n"
    expected = "".join(f"own {i}\nchild {i}\n" for i in range(100))
    assert value(sandbox, code, context_id=context) == expected


def test_what_a_subprocess_writes_last_is_not_lost(sandbox, context):
    for _ in range(20):
        assert value(sandbox, "import os\nos.write(1, b'x' * 60000 + 'ä'.encode())", context_id=context) == "x" * 60000 + "ä"


def test_characters_that_a_pipe_cuts(sandbox, context):
    code = ("import os, time\nfor byte in 'ä€😀'.encode():\n    os.write(1, bytes([byte]))\n    time.sleep(0.02)\n"
            "os.write(1, b'\\xff|\\xc3')")
    assert value(sandbox, code, context_id=context) == "ä€😀\ufffd|\ufffd"


def test_text_between_cells_is_dropped(sandbox, context):
    code = ("import os, threading, time\ndef late():\n    while not os.path.exists('/tmp/over'): time.sleep(0.01)\n"
            "    print('late', flush=True)\n    open('/tmp/late', 'w').close()\n"
            "threading.Thread(target=late).start()\nprint('now')")
    assert value(sandbox, code, context_id=context) == "now\n"
    sandbox.check("touch /tmp/over")
    warren.wait_for(lambda: sandbox.run("test -e /tmp/late").code == 0, 30, "the thread has printed")
    assert value(sandbox, "print('next')", context_id=context) == "next\n"


def test_fifty_megabytes(sandbox, context):
    answer = execute(sandbox, "for i in range(50):\n    print('x' * 999_999)", timeout=120, context_id=context)
    assert answer.error is None and len(answer.stdout) == 50_000_000


def test_many_small_lines(sandbox, context):
    assert value(sandbox, "for i in range(100_000): print(i)", timeout=120, context_id=context) == (
        "".join(f"{i}\n" for i in range(100_000)))


def test_a_large_result(sandbox, context):
    answer = execute(sandbox, "'y' * 30_000_000", timeout=120, context_id=context)
    assert answer.text == "y" * 30_000_000
    assert execute(sandbox, "1", context_id=context).text == "1"


def test_a_slow_reader_stops_the_cell_and_not_the_others(sandbox, context):
    code = ("import itertools, os, pathlib\nfor i in itertools.count():\n    print('z' * 1000)\n"
            "    pathlib.Path('/tmp/j').write_text(str(i)); os.rename('/tmp/j', '/tmp/i')")
    stream = interpreter.start(sandbox, code, context_id=context)
    agent = sandbox.agent_pid()
    warren.wait_for(lambda: sandbox.run("test -e /tmp/i").code == 0, 30, "the cell runs")

    def stands():
        before = sandbox.check("cat /tmp/i")
        time.sleep(1)
        return sandbox.check("cat /tmp/i") == before

    warren.wait_for(stands, 60, "the cell waits for its reader")
    rss = int(re.search(r"^VmRSS:\s+(\d+)", warren.proc_read(agent, "status"), re.M).group(1))
    assert rss < 24 * 1024
    other = interpreter.new_context(sandbox)
    assert value(sandbox, "print(1)", context_id=other) == "1\n"
    assert interpreter.call(sandbox, "DELETE", f"/contexts/{other}")[0] == 200
    stream.close()
    assert value(sandbox, "print(2)", context_id=context) == "2\n"


# Contexts.


def test_the_default_contexts(fresh):
    sandbox = fresh()
    found = contexts(sandbox)
    assert [(c["language"], c["cwd"]) for c in found] == [("python", "/home/user"), ("javascript", "/home/user")]
    assert all(UUID.match(c["id"]) for c in found)
    execute(sandbox, "x = 7")
    assert execute(sandbox, "x", context_id=found[0]["id"]).text == "7"
    execute(sandbox, "let y = 8", language=" JS ")
    assert execute(sandbox, "y", context_id=found[1]["id"]).text == "8"
    assert contexts(sandbox) == found


def test_contexts_are_listed_in_order_and_do_not_share(sandbox):
    status, made = interpreter.call(sandbox, "POST", "/contexts", {"cwd": "/root", "language": "python"})
    assert status == 200 and made["cwd"] == "/root" and made["language"] == "python"
    assert contexts(sandbox)[-1] == made
    execute(sandbox, "shared = 1")
    assert execute(sandbox, "shared", context_id=made["id"]).error["name"] == "NameError"
    assert execute(sandbox, "import os; os.getcwd()", context_id=made["id"]).text == "/root"
    assert interpreter.call(sandbox, "DELETE", f"/contexts/{made['id']}") == (200, None)
    assert made["id"] not in [context["id"] for context in contexts(sandbox)]
    assert interpreter.call(sandbox, "DELETE", f"/contexts/{made['id']}")[0] == 404


@pytest.mark.parametrize("cwd", ["/nowhere", "/etc/passwd", "relative", "/" + "x" * 5000])
def test_directories_that_are_none(sandbox, cwd):
    status, text = interpreter.call(sandbox, "POST", "/contexts", {"cwd": cwd})
    assert status == 400 and "cwd" in text


def test_a_restart_forgets_and_keeps_the_rest(sandbox):
    context = interpreter.new_context(sandbox, cwd="/tmp")
    execute(sandbox, "x = 1; import os; os.chdir('/')", context_id=context)
    assert interpreter.call(sandbox, "POST", f"/contexts/{context}/restart") == (200, None)
    answer = execute(sandbox, "x", context_id=context)
    assert (answer.error["name"], answer.error["value"], answer.count) == ("NameError", "name 'x' is not defined", 1)
    assert execute(sandbox, "import os; os.getcwd()", context_id=context).text == "/tmp"
    interpreter.call(sandbox, "DELETE", f"/contexts/{context}")


def test_default_contexts_come_back(fresh):
    sandbox = fresh()
    execute(sandbox, "x = 1")
    first = default(sandbox)
    assert interpreter.call(sandbox, "POST", f"/contexts/{first}/restart") == (200, None)
    assert execute(sandbox, "x").error["name"] == "NameError"
    assert default(sandbox) == first
    assert interpreter.call(sandbox, "DELETE", f"/contexts/{first}") == (200, None)
    assert "python" not in [context["language"] for context in contexts(sandbox)]
    answer = execute(sandbox, "1 + 1", language="python")
    assert (answer.text, answer.count) == ("2", 1)
    assert contexts(sandbox)[-1]["language"] == "python" and default(sandbox) != first
    assert execute(sandbox, "_", ).text == "2"


def test_an_end_waits_for_the_process(sandbox, context):
    pid = int(value(sandbox, "import os, subprocess\nprint(os.getpid(), end='')\np = subprocess.Popen(['sleep', '600'])",
                    context_id=context))
    assert interpreter.call(sandbox, "DELETE", f"/contexts/{context}") == (200, None)
    assert sandbox.run(f"test -e /proc/{pid}").code == 1
    assert sandbox.run("pgrep -x sleep").code == 1


def test_too_many_contexts(fresh):
    sandbox = fresh()
    made = []
    # bash is the smallest one; a limit of the sandbox's processes or memory may come first
    for _ in range(300):
        status, answer = interpreter.call(sandbox, "POST", "/contexts", {"language": "bash"})
        if status != 200:
            assert status == 500 and answer.startswith("Failed to create context: "), answer
            break
        made.append(answer["id"])
        interpreter.call(sandbox, "DELETE", f"/contexts/{made[0]}") if len(made) == 1 else None
    else:
        raise AssertionError("no limit")
    assert interpreter.call(sandbox, "DELETE", f"/contexts/{made[-1]}") == (200, None)


# Order and parallel runs.


def test_cells_of_one_context_run_in_order(sandbox, context):
    execute(sandbox, "seen = []", context_id=context)
    streams = []
    for i in range(20):
        streams.append(interpreter.start(sandbox, f"import time; time.sleep(0.01); seen.append({i})", context_id=context))
    for i, stream in enumerate(streams):
        messages = list(stream)
        assert messages[-1]["type"] == "end_of_execution"
        assert interpreter.Answer(messages).count == i + 2
        stream.close()
    assert execute(sandbox, "seen == list(range(20))", context_id=context).text == "True"


def test_contexts_run_in_parallel(fresh):
    sandbox = fresh()
    made = [interpreter.new_context(sandbox) for _ in range(20)]
    meet = "import time, os\nopen('/tmp/meet-{}', 'w').close()\nend = time.time() + 120\n" \
           "while len([n for n in os.listdir('/tmp') if n.startswith('meet-')]) < 20 and time.time() < end: time.sleep(0.01)\n" \
           "print(len([n for n in os.listdir('/tmp') if n.startswith('meet-')]))"
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda i: value(sandbox, meet.format(i), 200, context_id=made[i]), range(20)))
    assert answers == ["20\n"] * 20


def test_a_client_that_leaves_interrupts(sandbox, context):
    execute(sandbox, "state = 'kept'", context_id=context)
    stream = interpreter.start(sandbox, "import time\ntime.sleep(300)", context_id=context)
    assert next(iter(stream))["type"] == "number_of_executions"
    stream.close()
    assert execute_within(sandbox, 60, "state", context_id=context).text == "kept"


def test_a_client_that_leaves_before_its_cell_begins(sandbox, context):
    execute(sandbox, "ran = []", context_id=context)
    for _ in range(5):
        interpreter.start(sandbox, "import time\ntime.sleep(300)", context_id=context).close()
    assert execute_within(sandbox, 60, "len(ran)", context_id=context).text == "0"


def test_the_queue_has_an_end(sandbox, context):
    execute(sandbox, "ran = 0", context_id=context)
    first = interpreter.start(sandbox, "import time\ntime.sleep(300)", context_id=context)
    streams = []
    try:
        for _ in range(1200):
            streams.append(interpreter.start(sandbox, "ran += 1", context_id=context))
            if streams[-1].status != 200:
                break
        assert len(streams) == 513
        assert streams[-1].status == 500 and b"wait for context" in streams[-1].response.read()
    finally:
        for stream in streams:
            stream.close()
        first.close()
    assert execute_within(sandbox, 60, "ran", context_id=context).text == "0"


def test_a_queued_cell_whose_client_leaves_never_runs(sandbox, context):
    def held():
        """Inodes of the agent's sockets."""
        return {what[8:-1] for what in warren.descriptors(agent).values() if what.startswith("socket:[")}

    agent = sandbox.agent_pid()
    code = "import os, time\nwhile not os.path.exists('/tmp/left'): time.sleep(0.01)\nran = []"
    first = interpreter.start(sandbox, code, context_id=context)
    queued = interpreter.start(sandbox, "ran.append('queued')", context_id=context)
    last = interpreter.start(sandbox, "ran.append('last')", context_id=context)
    tables = [warren.proc_read(agent, f"net/{name}") for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    connections = {row[9] for row in rows if row[1].endswith(f":{interpreter.PORT:04X}")} & held()
    queued.close()
    warren.wait_for(lambda: connections - held(), 30, "the agent sees that a client has left")
    sandbox.check("touch /tmp/left")
    assert list(first)[-1]["type"] == list(last)[-1]["type"] == "end_of_execution"
    assert execute(sandbox, "ran", context_id=context).text == "['last']"


def test_the_next_cell_waits_for_one_that_takes_its_time(sandbox, context):
    code = "import time\ntry:\n    print('begun')\n    time.sleep(300)\nfinally:\n    time.sleep(1)\n    cleaned = True"
    stream = interpreter.start(sandbox, code, context_id=context)
    assert [message["type"] for _, message in zip(range(2), stream)][-1] == "stdout"
    stream.close()
    assert execute_within(sandbox, 60, "cleaned", context_id=context).text == "True"


def test_a_silent_cell_and_a_waiting_one_are_kept_alive(sandbox, context):
    def kinds(messages):
        """However many keepalives there are, there is at least one where one is named."""
        return [kind for kind, _ in itertools.groupby(message["type"] for message in messages)]

    code = "import os, time\nwhile not os.path.exists('/tmp/kept-alive'): time.sleep(0.01)"
    running = interpreter.start(sandbox, code, context_id=context)
    waiting = interpreter.start(sandbox, "1", context_id=context)
    seen = [[next(messages)] for messages in (iter(running), iter(waiting))]
    seen[0].append(next(iter(running)))
    sandbox.check("touch /tmp/kept-alive")
    assert kinds([*seen[0], *running]) == ["number_of_executions", "keepalive", "end_of_execution"]
    assert kinds([*seen[1], *waiting]) == ["keepalive", "number_of_executions", "result", "end_of_execution"]


# Ends of runners.


@pytest.mark.parametrize("death", ["import os; os._exit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
                                   "import ctypes; ctypes.string_at(0)"], ids=["exit", "kill", "crash"])
def test_a_runner_that_dies(sandbox, context, death):
    execute(sandbox, "x = 1", context_id=context)
    answer = execute(sandbox, f"print('before')\n{death}", context_id=context)
    assert answer.stdout == "before\n"
    assert (answer.error["name"], answer.error["value"]) == ("ContextRestarting", "Context was restarted")
    answer = execute(sandbox, "x", context_id=context)
    assert answer.error["name"] == "NameError" and answer.count == 1


def test_a_runner_that_dies_and_leaves_a_child_with_its_socket(sandbox, context):
    code = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(600)\nos._exit(1)"
    assert execute(sandbox, code, context_id=context).error["name"] == "ContextRestarting"
    assert execute(sandbox, "1", context_id=context).text == "1"
    sandbox.run("pkill -f 'sleep 600'")


def test_a_runner_that_dies_between_two_cells(sandbox, context):
    pid = int(value(sandbox, "import os; print(os.getpid())", context_id=context))
    sandbox.check(f"kill -9 {pid}")
    answer = execute(sandbox, "1", context_id=context)
    # either its end was seen already, or the cell was the one that saw it
    assert answer.text == "1" or answer.error["name"] == "ContextRestarting"
    assert execute(sandbox, "1", context_id=context).text == "1"


def test_what_waits_when_a_runner_dies_runs_in_the_next(sandbox, context):
    dying = interpreter.start(sandbox, "import os, time; time.sleep(0.5); os._exit(0)", context_id=context)
    waiting = interpreter.start(sandbox, "'alive'", context_id=context)
    assert interpreter.Answer(list(dying)).error["name"] == "ContextRestarting"
    assert interpreter.Answer(list(waiting)).text == "alive"


@pytest.mark.parametrize("method, path", [("DELETE", "/contexts/{}"), ("POST", "/contexts/{}/restart")], ids=["remove", "restart"])
def test_a_context_that_ends_under_a_cell(sandbox, method, path):
    context = interpreter.new_context(sandbox)
    running = interpreter.start(sandbox, "print('begun')\nimport time\ntime.sleep(300)", context_id=context)
    waiting = interpreter.start(sandbox, "'waited'", context_id=context)
    messages = iter(running)
    assert [next(messages)["type"], next(messages)["text"]] == ["number_of_executions", "begun\n"]
    assert interpreter.call(sandbox, method, path.format(context)) == (200, None)
    answer = interpreter.Answer(list(messages))
    assert answer.ended
    assert (answer.error["name"], answer.error["value"]) == (
        "UnexpectedEndOfExecution", "Connection to the execution was closed before the execution was finished")
    answer = interpreter.Answer(list(waiting))
    assert answer.ended
    if method == "DELETE":
        assert answer.error["name"] == "UnexpectedEndOfExecution"
    else:
        assert answer.text == "waited"
        interpreter.call(sandbox, "DELETE", f"/contexts/{context}")


def test_a_sandbox_that_is_killed_cuts_the_answer(server):
    sandbox = server.create()
    stream = interpreter.start(sandbox, "import time\ntime.sleep(300)")
    next(iter(stream))
    sandbox.kill()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        stream.response.read()
    stream.close()


def test_a_runner_that_is_out_of_memory(fresh):
    sandbox = fresh(memoryBytes=256 << 20)
    answer = execute(sandbox, "x = [bytearray(1 << 20) for _ in range(1000)]", timeout=120)
    assert answer.error["name"] in ("ContextRestarting", "MemoryError")
    assert execute(sandbox, "1 + 1", timeout=120).text == "2"


# Hostile cells: they can write whatever they want into the runner's socket.


def frame(kind, payload):
    return f"import struct, os; os.write(3, struct.pack('<IB3x', {len(payload)}, ord({kind!r})) + {payload!r})"


@pytest.mark.parametrize("cell", [
    frame("?", b""), frame("R", b'{"pid":1}'), frame("C", b'{"execution_count":7}'), "import os; os.write(3, b'\\xff' * 100)",
    frame("o", b"x" * 70000)], ids=["kind", "ready", "count", "noise", "size"])
def test_frames_that_no_runner_sends(sandbox, context, cell):
    answer = execute(sandbox, cell, context_id=context)
    assert answer.error["name"] == "ContextRestarting" and "runner" in answer.error["value"] or "frame" in answer.error["value"]
    assert execute(sandbox, "1", context_id=context).text == "1"


def test_lines_that_are_none(sandbox, context):
    answer = execute(sandbox, frame("L", b'{"type":"result"}\n{"type":"end_of_execution"}'), context_id=context)
    assert answer.error["name"] == "InvalidOutputError"
    answer = execute(sandbox, frame("L", b'{"type":"end_of_execution"}'), context_id=context)
    assert answer.error["name"] == "InvalidOutputError"
    assert execute(sandbox, "1", context_id=context).text == "1"


def test_at_most_one_error(sandbox, context):
    error = b'{"type":"error","name":"A","value":"b","traceback":""}'
    answer = execute(sandbox, f"{frame('L', error)}\n1/0", context_id=context)
    assert answer.error["name"] == "A"


# Environment.


def test_variables_of_sandbox_and_call(fresh):
    sandbox = fresh(env={"FROM_CREATE": "sandbox", "BOTH": "sandbox"})
    names = "FROM_CREATE", "BOTH", "CALL"
    code = f"import os\nprint(*[os.environ.get(n, 'default') for n in {names}], flush=True)\n" \
           f"import subprocess\nsubprocess.run(['sh', '-c', 'echo $FROM_CREATE $BOTH $CALL'])"
    assert value(sandbox, code) == "sandbox sandbox default\nsandbox sandbox\n"
    given = {"BOTH": "call", "CALL": "it's \"quoted\"\nä"}
    out = value(sandbox, code, env_vars=given)
    assert out == "sandbox call it's \"quoted\"\nä\nsandbox call it's \"quoted\" ä\n"
    assert value(sandbox, code) == "sandbox sandbox default\nsandbox sandbox\n"
    # also after an error, and whatever the cell did to them
    execute(sandbox, "import os; del os.environ['BOTH']; os.environ['CALL'] = 'x'; 1/0", env_vars=given)
    assert value(sandbox, code) == "sandbox sandbox default\nsandbox sandbox\n"


def test_the_environment_of_processes(sandbox, context):
    code = "import os\nprint(*[os.environ[n] for n in ('HOME', 'USER', 'LOGNAME', 'E2B_SANDBOX', 'E2B_SANDBOX_ID')])"
    assert value(sandbox, code, context_id=context) == f"/home/user user user true {sandbox.id}\n"
    assert value(sandbox, "import os; print(os.environ['PATH'])", context_id=context) == sandbox.check("echo $PATH")


# Languages.


@pytest.mark.parametrize("language, cell, out", [
    ("python", "import os; print(os.getcwd())", "/home/user\n"), ("javascript", "console.log(process.cwd())", "/home/user\n"),
    ("typescript", "const x: string = process.cwd(); console.log(x)", "/home/user\n"), ("bash", "pwd", "/home/user\n")], ids=["python", "javascript", "typescript", "bash"])
def test_languages(sandbox, language, cell, out):
    assert value(sandbox, cell, language=language) == out
    assert [c["language"] for c in contexts(sandbox)].count(language) == 1


@pytest.mark.parametrize("language", ["r", "java"])
def test_languages_of_the_full_template(sandbox, language):
    status, text = interpreter.call(sandbox, "POST", "/execute", {"code": "1", "language": language})
    if status != 200:
        assert status == 500 and "code-interpreter-full" in text


def test_a_runner_is_a_user_process(sandbox, context):
    code = ("import os\nprint(os.getuid(), os.getgid(), os.getsid(0) == os.getpid() == os.getpgid(0))\n"
            "print(open('/proc/self/oom_score_adj').read().strip())\nprint(sorted(map(int, os.listdir('/proc/self/fd')))[:4])")
    out = value(sandbox, code, context_id=context).splitlines()
    assert out == ["1000 1000 True", "500", "[0, 1, 2, 3]"]


def test_input_is_refused(sandbox, context):
    assert execute(sandbox, "input('name? ')", context_id=context).error["name"] == "StdinNotImplementedError"


def test_a_figure(sandbox):
    answer = execute(sandbox, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n42", timeout=120)
    assert len(answer.results) == 2 and answer.text == "42"
    assert base64.b64decode(answer.results[0]["png"]).startswith(b"\x89PNG")


# Blank sandboxes are assigned by the server; of all others:


def test_init_is_for_blank_sandboxes(sandbox):
    with contextlib.suppress(ConnectionError):
        status, body = sandbox.http("GET", "/init")
        assert status == 404 or (status, json.loads(body)) == (200, {"blank": False, "ready": False})
        status, _ = sandbox.http("POST", "/init", json.dumps({"envVars": {"STOLEN": "1"}}))
        assert status in (404, 409)
    status = sandbox.run("curl -s -o /dev/null -w '%{http_code}' -X POST -d '{}' http://127.0.0.1:49983/init")
    assert status.out in ("401", "409")
