"""The network and the server break under an execution: the error is the right one of three, nothing hangs, and neither a sandbox nor
a descriptor nor a thread is left. docs/internals/client.md, docs/internals/executor.md"""

import json
import subprocess

import libwarren
import pytest
import warren
from fault_proxy import FaultProxy

CREATE, WRITE, RUN, KILL = r"^POST /(v2/)?sandboxes$", r"^POST /files", r"^POST /execute", r"^DELETE /sandboxes/"


@pytest.fixture(scope="module")
def proxies(service):
    with FaultProxy(service.api_port) as api, FaultProxy(service.ingress_port) as ingress:
        yield api, ingress


@pytest.fixture
def api(proxies):
    proxies[0].clear()
    return proxies[0]


@pytest.fixture
def ingress(proxies):
    proxies[1].clear()
    return proxies[1]


def environment(api, ingress, key):
    return libwarren.environment(E2B_API_KEY=key, E2B_API_URL=api.url, E2B_SANDBOX_URL=ingress.url)


def execute(env, code, *arguments, seconds=60):
    """-> (first result, all of it). Descriptors and threads are as before."""
    done = subprocess.run([libwarren.program("fault_check"), code, *map(str, arguments)], env=env, capture_output=True, text=True,
                          timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["fds_left"], shown["threads_left"]) == (0, 0)
    return shown["results"][0], shown


def no_sandbox_left(service):
    warren.wait_for(lambda: not service.list(), 60, "all sandboxes have ended")


@pytest.mark.parametrize("step", ["create", "run"])
@pytest.mark.parametrize("action", ["refuse", "lose", "cut head", "cut body", "close body"])
def test_a_connection_reset_at_each_step(service, api, ingress, key, step, action):
    """An error of the service, and with a retry no error at all. A sandbox whose id never arrived ends, too."""
    proxy, pattern = (api, CREATE) if step == "create" else (ingress, RUN)
    env = environment(api, ingress, key)
    proxy.rule(pattern, action)
    result, _ = execute(env, "print(1)", 10000)
    assert (result["class"], result["code"]) in {("service", "unavailable"), ("service", "aborted")}, result
    no_sandbox_left(service)
    proxy.rule(pattern, action)
    result, shown = execute(env, "print(2)", 10000, 2)
    assert result["code"] == "ok" and result["result"]["logs"] == "2\n"
    assert shown["stats"]["retries"] == 1
    no_sandbox_left(service)


@pytest.mark.parametrize("action", ["refuse", "lose", "cut head"])
def test_a_reset_at_the_kill_loses_no_result(service, api, ingress, key, action):
    """The execution has succeeded; the sandbox is killed by another try, or by its deadline."""
    api.rule(KILL, action)
    result, _ = execute(environment(api, ingress, key), "print(1)", 10000)
    assert result["code"] == "ok" and result["result"]["logs"] == "1\n"
    no_sandbox_left(service)


def test_the_stream_is_cut_in_the_middle_of_the_output(service, api, ingress, key):
    """What has come so far is no result."""
    ingress.rule(RUN, "cut body", after=3000)
    result, _ = execute(environment(api, ingress, key), "for i in range(100000): print('x' * 50)", 20000)
    assert result["class"] == "service"
    no_sandbox_left(service)


def test_a_server_that_does_not_answer(service, api, ingress, key):
    """The three kinds stay apart: a stalled service is no timeout of the code."""
    api.rule(CREATE, "stall")
    result, _ = execute(environment(api, ingress, key), "print(1)", 10000)
    assert result["class"] == "service" and "no answer in time" in result["message"]
    no_sandbox_left(service)


def test_a_slow_server_is_waited_for(service, api, ingress, key):
    api.rule(CREATE, "slow", delay=0.5)
    ingress.rule(RUN, "slow", delay=0.2)
    result, _ = execute(environment(api, ingress, key), "print(1)", 10000)
    assert result["code"] == "ok" and result["result"]["sandbox_ms"] >= 500
    no_sandbox_left(service)


def test_a_timeout_is_neither_an_error_of_the_service_nor_of_the_input(service, api, ingress, key):
    result, _ = execute(environment(api, ingress, key), "while True: pass", 500)
    assert (result["class"], result["code"]) == ("timeout", "deadline_exceeded")
    no_sandbox_left(service)


@pytest.mark.parametrize("given", ["e2b_" + "0" * 40, "wrong"])
def test_a_wrong_key(service, api, ingress, given):
    result, shown = execute(environment(api, ingress, given), "print(1)", 10000, 3)
    assert (result["class"], result["code"]) == ("access", "unauthenticated")
    assert given not in json.dumps(shown)
    assert len([seen for seen in api.seen if seen.method == "POST"]) == 1, "a wrong key was tried again"


def test_a_storm_of_429(service, api, ingress, key):
    """16 threads; each goes on when the server lets it, not before it said."""
    api.rule(CREATE, "answer", times=40, status=429, headers=[("Retry-After", "1")])
    _, shown = execute(environment(api, ingress, key), "print(1)", 10000, 8, 16)
    assert [result["code"] for result in shown["results"]] == ["ok"] * 16
    assert shown["stats"]["retries"] == 40
    no_sandbox_left(service)


def test_a_429_that_does_not_end(service, api, ingress, key):
    api.rule(CREATE, "answer", times=1000, status=429)
    result, _ = execute(environment(api, ingress, key), "print(1)", 10000, 2)
    assert (result["class"], result["code"]) == ("rate_limit", "resource_exhausted")
    assert len([seen for seen in api.seen if seen.method == "POST"]) == 3


def test_the_server_is_killed_in_the_middle(service, api, ingress, key):
    """And started again: the execution fails as a service does, the retry succeeds, nothing is left of the first."""
    env = environment(api, ingress, key)
    running = subprocess.Popen([libwarren.program("fault_check"), "import time; time.sleep(2); print(3)", "20000", "20"], env=env,
                               stdout=subprocess.PIPE, text=True)
    try:
        warren.wait_for(lambda: any(seen.path.startswith("/execute") for seen in ingress.seen), 20, "the code runs")
        service.kill9()
        service.start()
        out, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    shown = json.loads(out)
    assert shown["results"][0]["code"] == "ok" and shown["results"][0]["result"]["logs"] == "3\n", shown
    assert shown["stats"]["retries"] >= 1 and (shown["fds_left"], shown["threads_left"]) == (0, 0)
    no_sandbox_left(service)
