"""Wrappers around an executor of a real server: caches in memory, in SQLite and in a real Redis, retries through a server that breaks,
a fallback to a private Warren. docs/internals/recovery.md, docs/internals/cache.md"""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import uuid

import libwarren
import pytest
import warren
from fault_proxy import FaultProxy
from service import free_ports

CREATE = r"^POST /(v2/)?sandboxes$"
COUNTS = "import uuid; print(uuid.uuid4())"  # another output each time that it runs


class Stack:
    """wrapper_check.c as an object."""

    def __init__(self, endpoint, *wrap, **executor):
        self.process = subprocess.Popen([libwarren.program("wrapper_check")], env=endpoint, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ask(executor=executor, wrap=wrap)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            left = self.ask(left=True) if kind is None else None
            _, errors = self.process.communicate(timeout=30)
            if kind is None:
                assert self.process.returncode == 0, errors
                assert left == {"fds": 0, "threads": 0}
        finally:
            self.process.kill()
            self.process.wait()

    def send(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def ask(self, **command):
        self.send(**command)
        return self.receive()

    def run(self, code, **more):
        """-> the result of one execution."""
        answer = self.ask(execute={"code": code, **more})
        assert "result" in answer["results"][0], answer
        return answer["results"][0]["result"]

    def error(self, code):
        answer = self.ask(execute={"code": code})
        assert "error" in answer["results"][0], answer
        return answer["results"][0]["error"]

    def stats(self, layer=0):
        return self.ask(stats=True)["stats"][layer]


# Caches


def check_cache(stack):
    """What every cache does."""
    first = stack.run(COUNTS)
    again = stack.ask(execute={"code": COUNTS})
    second = again["results"][0]["result"]
    assert (first["cached"], second["cached"]) == (False, True)
    assert second == {**first, "cached": True}
    assert again["events"] == first["stdout"], "a listener hears what comes out of a cache"
    assert stack.run(COUNTS, env={"A": "1"})["stdout"] != first["stdout"]
    failed = stack.run("print(1)\n1/0")
    assert (failed["success"], failed["cached"]) == (False, False)
    assert stack.run("print(1)\n1/0")["cached"] is False
    stats = stack.stats(-1)
    assert (stats["hits"], stats["misses"], stats["stores"], stats["errors"]) == (1, 4, 2, 0)
    assert stats["size"] in (2, None)
    stack.ask(clear=True)
    assert stack.run(COUNTS)["stdout"] != first["stdout"]


def test_a_cache_in_memory(endpoint, none_left):
    with Stack(endpoint, {"kind": "cache"}) as stack:
        check_cache(stack)


def test_sixteen_threads_and_one_execution(endpoint, none_left):
    """The code takes long enough for all threads to come while it runs."""
    with Stack(endpoint, {"kind": "cache"}) as stack:
        answer = stack.ask(execute={"code": f"import time; time.sleep(1); {COUNTS}"}, threads=16)
        outputs = {one["result"]["stdout"] for one in answer["results"]}
        assert len(answer["results"]) == 16 and len(outputs) == 1
        stats = stack.stats()
        assert (stats["misses"], stats["hits"] + stats["shared"], stats["stores"]) == (1, 15, 1)


def test_a_cache_in_sqlite_is_shared_by_processes(endpoint, none_left, tmp_path):
    cache = {"kind": "cache", "sqlite": str(tmp_path / "cache.db")}
    with Stack(endpoint, cache) as one, Stack(endpoint, cache) as two:
        check_cache(one)
        kept = one.run("print('shared')")
        assert two.run("print('shared')") == {**kept, "cached": True}
        assert two.stats()["hits"] == 1
    with Stack(endpoint, cache) as later:
        assert later.run("print('shared')")["cached"] is True
    with Stack(endpoint, cache, language="bash") as other:
        assert other.run("print('shared')")["cached"] is False, "another language by default is another result"
    assert (tmp_path / "cache.db").stat().st_mode & 0o777 == 0o600


class Redis:
    """A redis-server of its own: on a Unix socket and a port, nothing on disk."""

    def __init__(self, directory, *arguments):
        self.socket, (self.port,) = f"{directory}/redis.sock", free_ports(1)
        self.arguments = ["--unixsocket", self.socket, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no",
                          "--dir", str(directory), *arguments]
        self.process = None

    def start(self):
        # Debian has the server's program in redis-tools already, under the name of a checker that is the same program.
        path = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        assert path, "there is no redis-server: tools/install-deps test"
        self.process = subprocess.Popen(["redis-server", *self.arguments], executable=path, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        warren.wait_for(self.answers, 20, "Redis answers")
        return self

    def answers(self):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall(b"PING\r\n")
            return client.recv(100) != b""
        return False

    def command(self, *words, password=None):
        secret = ["--pass", password, "--no-auth-warning"] if password else []
        done = subprocess.run(["redis-cli", "-s", self.socket, *secret, *words], capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def redis(tmp_path):
    running = Redis(tmp_path).start()
    yield running
    running.kill()


def test_a_cache_in_redis(endpoint, none_left, redis):
    """By its port and by its socket; only what is under the prefix is cleared, and everything there expires."""
    redis.command("SET", "other", "stays")
    with Stack(endpoint, {"kind": "cache", "redis": f"redis://127.0.0.1:{redis.port}", "prefix": "test*:"}) as stack:
        check_cache(stack)
        (key,) = redis.command("KEYS", "test*").splitlines()
        assert 0 < int(redis.command("PTTL", key)) <= 3600000
        kept = stack.run("print('kept')")
        with Stack(endpoint, {"kind": "cache", "redis": f"unix://{redis.socket}", "prefix": "test*:"}) as other:
            assert other.run("print('kept')") == {**kept, "cached": True}
            other.ask(clear=True)
        assert stack.run("print('kept')")["cached"] is False
    assert redis.command("GET", "other") == "stays"


def test_entries_in_redis_expire(endpoint, none_left, redis):
    with Stack(endpoint, {"kind": "cache", "redis": f"unix://{redis.socket}", "ttl_ms": 500}) as stack:
        first = stack.run(COUNTS)
        warren.wait_for(lambda: redis.command("DBSIZE") == "0", 20, "the entry is gone")
        assert stack.run(COUNTS)["stdout"] != first["stdout"]


def test_a_redis_with_a_password(endpoint, none_left, tmp_path):
    password = f"p%/@:{uuid.uuid4()}"
    quoted = password.replace("%", "%25").replace("/", "%2F").replace("@", "%40").replace(":", "%3A")
    running = Redis(tmp_path, "--requirepass", password).start()
    try:
        running.command("ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all", password=password)
        for credentials in (f":{quoted}", f"default:{quoted}", "ann:secret"):
            with Stack(endpoint, {"kind": "cache", "redis": f"redis://{credentials}@127.0.0.1:{running.port}/3"}) as stack:
                check_cache(stack)
                assert running.command("-n", "3", "DBSIZE", password=password) == "1"
                stack.ask(clear=True)
        for credentials in ("", ":wrong@"):
            with Stack(endpoint, {"kind": "cache", "redis": f"redis://{credentials}127.0.0.1:{running.port}/3"}) as stack:
                assert stack.run("print(1)")["cached"] is False
                assert stack.stats()["errors"] == 2, "the lookup and the store"
    finally:
        running.kill()


def test_a_redis_that_dies_is_a_miss(endpoint, none_left, redis):
    with Stack(endpoint, {"kind": "cache", "redis": f"unix://{redis.socket}"}) as stack:
        first = stack.run(COUNTS)
        assert stack.run(COUNTS)["cached"] is True
        redis.kill()
        for _ in range(3):
            missed = stack.run(COUNTS)
            assert missed["success"] and not missed["cached"] and missed["stdout"] != first["stdout"]
        assert stack.stats()["errors"] == 6
        redis.start()
        # After a pause it is asked again; it has forgotten everything.
        warren.wait_for(lambda: stack.run(COUNTS)["cached"], 30, "the cache is used again")


def test_a_redis_that_hangs_costs_a_second_and_not_more(endpoint, none_left, redis):
    with Stack(endpoint, {"kind": "cache", "redis": f"unix://{redis.socket}"}) as stack:
        stack.run(COUNTS)
        redis.process.send_signal(signal.SIGSTOP)
        try:
            assert stack.run(COUNTS)["cached"] is False
        finally:
            redis.process.send_signal(signal.SIGCONT)
        assert stack.stats()["errors"] == 2


@pytest.mark.parametrize("content", ["", "garbage", '{"v":2,"value":{}}', '{"v":1}', "x" * 100000], ids=["empty", "text", "version", "no value", "long"])
def test_wrong_content_in_redis_is_a_miss(endpoint, none_left, redis, content):
    with Stack(endpoint, {"kind": "cache", "redis": f"unix://{redis.socket}"}) as stack:
        first = stack.run(COUNTS)
        redis.command("SET", redis.command("KEYS", "*"), content)
        second = stack.run(COUNTS)
        assert second["cached"] is False and second["stdout"] != first["stdout"]
        assert stack.run(COUNTS) == {**second, "cached": True}, "and is replaced"


def test_a_key_of_another_type_in_redis_is_a_miss(endpoint, none_left, redis):
    with Stack(endpoint, {"kind": "cache", "redis": f"unix://{redis.socket}"}) as stack:
        stack.run(COUNTS)
        key = redis.command("KEYS", "*")
        redis.command("DEL", key)
        redis.command("LPUSH", key, "1")
        assert stack.run(COUNTS)["cached"] is False
        assert stack.run(COUNTS)["cached"] is True


# Recovery


@pytest.fixture(scope="module")
def proxies(service):
    with FaultProxy(service.api_port) as api, FaultProxy(service.ingress_port) as ingress:
        yield api, ingress


@pytest.fixture
def behind(proxies, key):
    """-> (the proxy before the control API, environment of a client behind both)."""
    api, ingress = proxies
    api.clear()
    ingress.clear()
    return api, libwarren.environment(E2B_API_KEY=key, E2B_API_URL=api.url, E2B_SANDBOX_URL=ingress.url)


def test_the_server_is_away_between_attempts(service, behind, none_left):
    """Killed before the first attempt and started again while the retry pauses."""
    _, env = behind
    service.kill9()
    started = False
    try:
        with Stack(env, {"kind": "retry", "max_retries": 30, "delay_ms": 100, "max_delay_ms": 500}) as stack:
            stack.send(execute={"code": "print(7)"})
            service.start()
            started = True
            result = stack.receive()["results"][0]["result"]
            assert result["stdout"] == "7\n"
    finally:
        if not started:
            service.start()


def test_retry_after_is_kept(behind, none_left):
    """The server says two seconds; the wrapper's own pause would be shorter than any of them."""
    api, env = behind
    api.rule(CREATE, "answer", status=429, headers=[("Retry-After", "2")])
    with Stack(env, {"kind": "retry", "delay_ms": 1}) as stack:
        stack.send(execute={"code": "print(1)"})
        warren.wait_for(lambda: len(api.seen) == 1, 20, "the first attempt")
        assert stack.receive()["results"][0]["result"]["stdout"] == "1\n"
        assert stack.stats()["retries"] == 1
    api.rule(CREATE, "answer", status=429, headers=[("Retry-After", "3600")])
    with Stack(env) as stack:
        error = stack.error("print(1)")
        assert (error["code"], error["retry_after_ms"]) == ("resource_exhausted", 3600000)


def test_a_breaker_opens_and_spares_the_server(behind, none_left):
    api, env = behind
    api.rule(CREATE, "answer", times=100, status=503)
    with Stack(env, {"kind": "breaker", "failure_threshold": 2, "recovery_timeout_ms": 600000}) as stack:
        for _ in range(6):
            stack.error("print(1)")
        assert len([seen for seen in api.seen if seen.method == "POST"]) == 2
        stats = stack.stats()
        assert (stats["state"], stats["opened"], stats["rejected"]) == ("open", 1, 4)
        assert 0 < stack.error("print(1)")["retry_after_ms"] <= 600000


def test_a_timeout_ends_what_runs(endpoint, none_left):
    """The executor's calls look at the workflow's time: its sandbox ends at once, not after the code's own thirty seconds."""
    with Stack(endpoint, {"kind": "timeout", "timeout_ms": 1500}) as stack:
        error = stack.error("import time\nwhile True: time.sleep(0.1)")
        assert error["code"] == "deadline_exceeded" and "did not end within 1.500 s" in error["message"]
        assert stack.stats()["timeouts"] == 1


def test_retries_stay_within_the_timeout_around_them(behind, none_left):
    """A pause of an hour has no room in ten seconds, so it is not begun: the error of the attempt is told at once."""
    api, env = behind
    api.rule(CREATE, "answer", times=100, status=429, headers=[("Retry-After", "3000")])
    with Stack(env, {"kind": "retry", "max_delay_ms": 3600000}, {"kind": "timeout", "timeout_ms": 10000}) as stack:
        assert stack.error("print(1)")["code"] == "resource_exhausted"
        assert stack.stats()["exhausted"] == 1


def test_the_remote_is_down_and_a_private_warren_takes_over():
    (closed,) = free_ports(1)
    env = libwarren.environment(E2B_API_KEY="e2b_" + "0" * 40, E2B_API_URL=f"http://127.0.0.1:{closed}",
                                E2B_SANDBOX_URL=f"http://127.0.0.1:{closed}", WARREN_EXECUTABLE=warren.binary())
    with libwarren.private_warren() as (path, data), Stack(env, {"kind": "fallback", "socket_path": path, "data_dir": data}) as stack:
        assert stack.run("print(6 * 7)")["stdout"] == "42\n"
        assert stack.run("print(6 * 8)")["stdout"] == "48\n"
        assert stack.stats() == {"primary": 0, "fallback": 2, "failed": 0}


# Limits


def test_a_rate_limit(endpoint, none_left):
    with Stack(endpoint, {"kind": "rate", "per_second": 0.001, "burst": 2}) as stack:
        answers = stack.ask(execute={"code": "print(1)"}, threads=5)["results"]
        assert sorted("result" in one for one in answers) == [False, False, False, True, True]
        assert all(one["error"]["retry_after_ms"] > 900000 for one in answers if "error" in one)
        assert (stack.stats()["allowed"], stack.stats()["refused"]) == (2, 3)


def test_budgets_count_what_other_processes_use(endpoint, none_left, tmp_path):
    """A limit of a millisecond of a sandbox: the second process finds in the ledger that the first one has used it."""
    ledger = str(tmp_path / "ledger.db")
    budget = {"kind": "budget", "max_sandbox_hours": 1 / 3600000, "ledger_path": ledger}
    with Stack(endpoint, budget, ledger_path=ledger) as one:
        assert one.run("import time; time.sleep(0.01)")["success"]
        assert one.error("print(1)")["code"] == "failed_precondition"
        assert one.stats()["level"] == "stop"
    with Stack(endpoint, budget, ledger_path=ledger) as two:
        error = two.error("print(1)")
        assert error["code"] == "failed_precondition" and "sandbox_hours" in error["message"]


def test_a_limit_of_executions_at_once(endpoint, none_left):
    with Stack(endpoint, {"kind": "budget", "max_concurrent": 2}, {"kind": "retry", "max_retries": 100, "delay_ms": 50,
                                                                    "max_delay_ms": 200}) as stack:
        answers = stack.ask(execute={"code": "import time; time.sleep(0.2); print(1)"}, threads=6)["results"]
        assert [one["result"]["stdout"] for one in answers] == ["1\n"] * 6
        assert stack.stats(0)["stopped"] > 0
