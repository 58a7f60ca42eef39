"""CodeExecutionPrimitive against a real service: the examples of the founding documents, and TTA.dev's cases restated."""

import asyncio
import base64
import inspect
import os
import pathlib
import time

import pytest
from warren import Client, E2BError, SandboxOptions, WarrenError
from warren.primitives import (
    CachePrimitive, CodeExecutionPrimitive, E2BPrimitive, IterativeRefinementPrimitive, LambdaPrimitive, ParallelPrimitive,
    RetryPrimitive, WorkflowContext, validate_code)

FACTORIAL = "import math\nprint(math.factorial(5))"
FIBONACCI = """
def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a
print(fibonacci(10))
"""

pytestmark = pytest.mark.usefixtures("endpoint", "none_left")


@pytest.fixture(scope="module")
def executor(endpoint):
    """A sandbox for each execution."""
    with_defaults = CodeExecutionPrimitive()
    yield with_defaults
    with_defaults.close()


def output(found):
    assert found["success"], found["error"]
    return found["logs"]


# ---- examples of the documents ----


def test_factorial(run, executor):
    found = run(executor.execute({"code": FACTORIAL}, WorkflowContext(correlation_id="req-123")))
    assert found["success"] is True and found["logs"] == "120\n" and found["error"] is None
    assert found["execution_time_ms"] >= 0 and found["sandbox_ms"] > 0


def test_syntax_error(run, executor):
    found = run(executor.execute({"code": 'print("unclosed'}))
    assert found["success"] is False and found["error"].startswith("SyntaxError: ") and found["error_name"] == "SyntaxError"


def test_infinite_loop(run, executor):
    with pytest.raises(TimeoutError):
        run(executor.execute({"code": "while True: pass", "timeout": 1}))


def test_assertions(run, executor):
    code = "def add(a, b):\n    return a + b\nassert add(2, 3) == 5\nassert add(-1, 1) == 0\nprint('All tests passed!')"
    assert output(run(executor.execute({"code": code}))) == "All tests passed!\n"


def test_validation(run, executor):
    assert run(validate_code("x = 1", executor)) is True
    assert run(validate_code("x = undefined", executor)) is False


def test_refinement(run, executor):
    """First without its import, then as the error asks for."""
    def generate(asked):
        missing = any("NameError" in one["error"] for one in asked["history"])
        return {"code": ("import math\n" if missing else "") + "print(math.factorial(5))"}

    found = run(IterativeRefinementPrimitive(generate, executor, max_attempts=3).execute({"task": "factorial of 5"}))
    assert found["success"] and found["attempts"] == 2 and found["logs"] == "120\n"
    assert found["history"][0]["error"].startswith("NameError: ")


def test_generate_execute_validate_format(run, executor):
    """generate >> execute >> validate >> format"""
    def validate(found):
        assert found["success"]
        return found

    chain = (lambda task: {"code": f"print({task['a']} * {task['b']})"}) >> executor >> validate \
        >> (lambda found: {"text": f"The answer is {found['logs'].strip()}."})
    assert run(chain.execute({"a": 6, "b": 7})) == {"text": "The answer is 42."}


def test_pipeline_of_the_research(run, executor):
    """input_processor >> E2B >> result_validator >> output_formatter, with a WorkflowContext."""
    context = WorkflowContext(correlation_id="req-123")

    def input_processor(given, inside):
        inside.state["rows"] = len(given["rows"])
        return {"code": f"import statistics\nprint(statistics.mean({given['rows']}))"}

    def result_validator(found):
        if not found["success"]:
            raise ValueError(found["error"])
        return found

    def output_formatter(found, inside):
        return {"mean": float(found["output"]), "rows": inside.state["rows"], "request": inside.correlation_id}

    pipeline = LambdaPrimitive(input_processor) >> executor >> result_validator >> output_formatter
    assert run(pipeline.execute({"rows": [1, 2, 6]}, context)) == {"mean": 3.0, "rows": 3, "request": "req-123"}
    with pytest.raises(ValueError, match="StatisticsError"):
        run(pipeline.execute({"rows": []}, context))


def test_cached(run, executor):
    cached = CachePrimitive(executor, ttl_seconds=3600, key_fn=lambda data, ctx: data["code"])
    first, second = [run(cached.execute({"code": "import uuid; print(uuid.uuid4())"})) for _ in range(2)]
    assert first["logs"] == second["logs"] and second["cached"] and not first["cached"]
    failed = [run(cached.execute({"code": "1/0"})) for _ in range(2)]
    assert not failed[1]["cached"], "failures are not kept"


def test_retry_repeats_no_code_that_fails(run, executor):
    retry = RetryPrimitive(executor, max_retries=3, backoff_strategy="exponential")
    found = run(retry.execute({"code": "raise ValueError('mine')"}))
    assert found["error"] == "ValueError: mine" and retry.stats()["retries"] == 0


def test_twenty_agents(run, executor):
    async def all_of_them():
        return await asyncio.gather(*[executor.execute({"code": f"print({n} ** 2)"}) for n in range(20)])

    assert [output(found) for found in run(all_of_them())] == [f"{n ** 2}\n" for n in range(20)]


def test_side_by_side(run, executor):
    both = ParallelPrimitive([executor, LambdaPrimitive(lambda given: {"code": given["code"] + "; print(2)"}) >> executor])
    assert [output(found) for found in run(both.execute({"code": "print(1)"}))] == ["1\n", "1\n2\n"]


# ---- inputs and outputs ----


def test_env(run, executor):
    code = "import os; print(os.environ.get('MINE'), os.environ.get('EACH'))"
    assert output(run(executor.execute({"code": code, "env": {"MINE": "a'b\"c"}}))) == "a'b\"c None\n"
    with_env = CodeExecutionPrimitive(env={"EACH": "always"})
    assert output(run(with_env.execute({"code": code}))) == "None always\n"


def test_files(run, executor):
    files = {"data/a.txt": "text\n", "b.bin": {"base64": base64.b64encode(bytes(range(256))).decode()}}
    code = "print(open('data/a.txt').read(), len(open('b.bin', 'rb').read()))"
    assert output(run(executor.execute({"code": code, "files": files}))) == "text\n 256\n"


@pytest.fixture(scope="module")
def trusting(endpoint):
    """Trusts whom this machine trusts: the registry may be behind a mirror with an authority of its own."""
    authorities = "/home/user/authorities.pem"
    made = CodeExecutionPrimitive(timeout=60, sandbox=SandboxOptions(envs={"PIP_CERT": authorities}))
    yield lambda code, **members: made.execute(
        {"code": code, "files": {authorities: pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_text()}, **members})
    made.close()


def test_install(run, trusting):
    assert output(run(trusting("import iniconfig; print(iniconfig.__name__)", install=["iniconfig==2.0.0"]))) == "iniconfig\n"


def test_install_that_is_not_enabled(run):
    with pytest.raises(ValueError):
        run(CodeExecutionPrimitive(enable_pip_install=False).execute({"code": "1", "install": ["iniconfig"]}))


def test_pip_in_the_code(run, trusting):
    """The documents' example: os.system('pip install ...')."""
    code = "import os\nprint(os.system('pip install -q iniconfig==2.0.0 2>/dev/null'))\nimport iniconfig\nprint('there')"
    assert output(run(trusting(code))).endswith("0\nthere\n")


def test_streams_and_results(run, executor):
    found = run(executor.execute({"code": "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7"}))
    assert found["stdout"] == "out\n" and found["stderr"] == "err\n"
    assert found["log_lines"] == ["[stdout] out", "[stderr] err"] and found["output"].endswith("42")
    assert any(one.get("text") == "42" for one in found["results"])


def test_output_as_it_comes(run, executor):
    heard = []
    context = WorkflowContext(on_stdout=heard.append, on_stderr=lambda text: heard.append(f"!{text}"), on_result=heard.append)
    found = run(executor.execute({"code": "import sys\nprint('a')\nprint('b', file=sys.stderr)\n7"}, context))
    texts = [one for one in heard if isinstance(one, str)]
    assert "".join(one for one in texts if not one.startswith("!")) == "a\n" and "!b\n" in texts
    assert any(isinstance(one, dict) and one.get("text") == "7" for one in heard) and found["success"]


def test_a_listener_that_fails(run):
    """With its own error, however late it comes; the next execution in the context is not touched."""
    def broken(text):
        raise KeyError("listener")

    async def outer():
        context = WorkflowContext(on_stdout=broken)
        with pytest.raises(KeyError, match="listener"):
            await CodeExecutionPrimitive().execute({"code": "print(1)"}, context)
        assert (await CodeExecutionPrimitive().execute({"code": "2"}, context))["success"]

    run(outer())


def test_long_output(run):
    small = CodeExecutionPrimitive(max_output_size=100)
    found = run(small.execute({"code": "print('x' * 1000)"}))
    assert found["success"] and found["truncated"] and len(found["stdout"]) <= 200
    found = run(small.execute({"code": "print('x')"}))
    assert found["truncated"] is False


def test_exit_status(run, executor):
    assert run(executor.execute({"code": "import sys; sys.exit(3)"}))["error"] == "SystemExit: 3"
    assert run(executor.execute({"code": "import sys; sys.exit(0)"}))["success"] is True


def test_other_languages(run, executor):
    assert output(run(executor.execute({"code": "console.log(6 * 7)", "language": "javascript"}))) == "42\n"
    assert output(run(executor.execute({"code": "echo $((6 * 7))", "language": "bash"}))) == "42\n"


def test_template_base(run, request):
    if request.config.getoption("--endpoint") == "e2b":
        pytest.skip("E2B's own template base has no interpreter")
    assert output(run(CodeExecutionPrimitive(template="base").execute({"code": FACTORIAL}))) == "120\n"


def test_sync(executor):
    assert executor.execute_sync({"code": FACTORIAL})["logs"] == "120\n"


def test_inputs_that_are_wrong(run, executor):
    for wrong in ({}, {"code": 7}, {"code": "1", "timeout": 0}, {"code": "1", "timeout": "soon"}, {"code": "1", "env": ["A=b"]}, [], "print(1)"):
        with pytest.raises(ValueError):
            run(executor.execute(wrong))
    with pytest.raises(WarrenError, match="klingon"):
        run(executor.execute({"code": "1", "language": "klingon"}))


def test_arguments_that_are_wrong():
    for wrong in ({"mode": "forever"}, {"max_output_size": 0}, {"timeout": 0}, {"timeout": -1}, {"api_key": "k", "client": Client()}):
        with pytest.raises(ValueError):
            CodeExecutionPrimitive(**wrong)


def test_cancelled_while_it_runs(run, executor):
    """The code is stopped: nothing goes on in a sandbox that nobody waits for (none_left)."""
    async def outer():
        started = asyncio.Event()
        context = WorkflowContext(on_stdout=lambda text: started.set())
        task = asyncio.ensure_future(executor.execute({"code": "print('on', flush=True)\nimport time\ntime.sleep(600)", "timeout": 900}, context))
        await asyncio.wait_for(started.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(outer())


# ---- TTA.dev's cases: what its 18 + 5 mocked tests say, against the real thing ----


def test_defaults_and_custom_arguments():
    with_key = CodeExecutionPrimitive(api_key="e2b_" + "0" * 40)
    assert with_key.timeout == 30 and with_key._client.backend == "e2b"
    custom = CodeExecutionPrimitive(default_timeout=60, session_max_age=1800, template_id="base", mode="session")
    assert custom.timeout == 60 and custom.template == "base"
    assert inspect.signature(CodeExecutionPrimitive).parameters["session_max_age"].default == 3300


def test_timeout_of_the_environment(monkeypatch):
    monkeypatch.setenv("E2B_TIMEOUT", "45")
    assert CodeExecutionPrimitive().timeout == 45 and CodeExecutionPrimitive(timeout=30 + 0.0).timeout == 30
    monkeypatch.setenv("E2B_TIMEOUT", "soon")
    with pytest.raises(ValueError):
        CodeExecutionPrimitive()


def test_key_of_the_environment(monkeypatch):
    """E2B_API_KEY, or the older E2B_KEY; without one E2B cannot be asked."""
    for name in ("WARREN_SOCKET", "E2B_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(E2BError, match="(?i)key"):
        Client(backend="e2b")
    monkeypatch.setenv("E2B_KEY", "e2b_" + "1" * 40)
    assert Client().backend == "e2b"
    monkeypatch.setenv("E2B_API_KEY", "e2b_" + "2" * 40)
    assert CodeExecutionPrimitive()._client.backend == "e2b"


def test_basic_run(run, executor):
    found = run(executor.execute({"code": "print(42)"}))
    assert found["success"] and found["output"].strip() == "42" and found["error"] is None
    assert found["sandbox_id"] and found["execution_time"] >= 0 and found["log_lines"] == ["[stdout] 42"]


def test_error_run(run, executor):
    found = run(executor.execute({"code": "print(undefined_name)"}))
    assert not found["success"] and found["error"].startswith("NameError: ") and "undefined_name" in found["error_value"]
    assert "Traceback" in found["traceback"] and found["sandbox_id"] and found["execution_time"] >= 0


def test_timeout_of_one_execution(run, executor):
    with pytest.raises(TimeoutError, match="1(\\.0*)? s|1,?000 ms"):
        run(executor.execute({"code": "import time; time.sleep(10)", "timeout": 1}))


def test_code_is_required(run, executor):
    with pytest.raises(ValueError, match="code"):
        run(executor.execute({"language": "python"}))


def test_empty_output(run, executor):
    found = run(executor.execute({"code": "x = 1"}))
    assert found["success"] and found["output"] == "" and found["logs"] == "" and found["log_lines"] == []


def test_fibonacci_and_modules(run, executor):
    assert "55" in output(run(executor.execute({"code": FIBONACCI})))
    assert output(run(executor.execute({"code": "import json, math\nprint(json.dumps({'pi': round(math.pi, 2)}))"}))) == '{"pi": 3.14}\n'


def test_a_traced_run(run, executor):
    context = WorkflowContext(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7")
    found = run(executor.execute({"code": "import os; print(os.environ['TRACEPARENT'])"}, context))
    assert output(found).startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")


def test_three_runs_in_one_session(run):
    async def outer():
        async with E2BPrimitive(mode="session") as session:
            first = await session.execute({"code": "x = 20"})
            second = await session.execute({"code": "x += 1; print(x)"})
            third = await session.execute({"code": "print(x * 2)"})
            assert first["sandbox_id"] == second["sandbox_id"] == third["sandbox_id"]
            return second["logs"], third["logs"]

    assert run(outer()) == ("21\n", "42\n")


def test_rotation(run):
    """With a greatest age of one second the next execution has another sandbox."""
    async def outer():
        async with CodeExecutionPrimitive(mode="session", session_max_age=1) as session:
            first = await session.execute({"code": "x = 1"})
            await asyncio.sleep(1.2)
            second = await session.execute({"code": "print('x' in dir())"})
            assert first["sandbox_id"] != second["sandbox_id"] and second["logs"] == "False\n"
            assert session.supply.stats()["rotations"] >= 1

    run(outer())


def test_manual_cleanup(run, request):
    session = CodeExecutionPrimitive(mode="session")
    first = run(session.execute({"code": "x = 1"}))
    for _ in range(2):
        run(session.cleanup())
    second = run(session.execute({"code": "print('x' in dir())"}))
    assert first["sandbox_id"] != second["sandbox_id"] and second["logs"] == "False\n"
    session.close()


def test_cleanup_ends_sandboxes_that_wrappers_still_hold(run):
    async def outer():
        async with CodeExecutionPrimitive(mode="session") as session:
            wrapper = RetryPrimitive(session)
            await wrapper.execute({"code": "x = 1"})
        with pytest.raises(WarrenError):
            await wrapper.execute({"code": "x = 1"})
        return wrapper

    assert run(outer()).stats()["exhausted"] == 0, "it held the primitive to the end, and did not try again"


def test_pooled(run):
    async def outer():
        async with CodeExecutionPrimitive(mode="pooled", pool_size=2) as pooled:
            found = await asyncio.gather(*[pooled.execute({"code": "print('seen' in dir()); seen = 1"}) for _ in range(4)])
            assert [one["logs"] for one in found] == ["False\n"] * 4

    run(outer())


def test_nothing_listens(run, tmp_path):
    client = Client(backend="socket", socket_path=str(tmp_path / "none.sock"))
    with pytest.raises(E2BError):
        run(CodeExecutionPrimitive(client=client).execute({"code": "1"}))


def test_over_tcp_with_a_key(run, tcp_client):
    assert tcp_client.backend == "e2b"
    found = run(CodeExecutionPrimitive(client=tcp_client).execute({"code": FACTORIAL}))
    assert found["logs"] == "120\n"


def test_a_wrong_key(run, service):
    settings = service.settings("e2b_" + "0" * 40)
    client = Client(settings["E2B_API_KEY"], api_url=settings["E2B_API_URL"], sandbox_url=settings["E2B_SANDBOX_URL"])
    with pytest.raises(E2BError) as caught:
        run(CodeExecutionPrimitive(client=client).execute({"code": "1"}))
    assert caught.value.code == "unauthenticated"


def test_without_internet(run, service):
    closed = CodeExecutionPrimitive(sandbox=SandboxOptions(allow_internet_access=False))
    # The host side may accept before it refuses: what counts is whether anybody answers.
    code = ("import socket\ntry:\n    one = socket.create_connection(('1.1.1.1', 80), 5)\n    one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
            "    print('open' if one.recv(1) else 'closed')\nexcept OSError:\n    print('closed')")
    assert output(run(closed.execute({"code": code}))) == "closed\n"


def test_leaves_no_thread_and_no_descriptor(run, executor):
    def figures():
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    run(executor.execute({"code": "1"}))
    before = figures()
    for _ in range(5):
        run(executor.execute({"code": "print(1)"}))
    end = time.monotonic() + 20
    while figures() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert figures() <= before
