"""Everything beside the executor, against a real service: supplies, orchestrator, tests, rules, sessions, telemetry, ledger."""

import asyncio
import json
import logging
import urllib.request

import pytest
from warren.errors import (
    AlreadyExistsError, FailedPreconditionError, NotFoundError, PolicyViolationError, RateLimitError, WarrenError)
from warren.primitives import (
    AuditLog, Barrier, Channel, CodeExecutionPrimitive, CodeTestingPrimitive, EphemeralSupply, Leases, Ledger, PersistentSandboxManager,
    Redactor, RedactorOptions, SandboxOrchestrator, SandboxPool, SecureCodeExecutor, SessionRotator, Telemetry, WorkflowContext,
    initialize_observability, shutdown_observability)

pytestmark = pytest.mark.usefixtures("endpoint", "none_left")


# ---- supplies ----


def test_pool(run):
    async def outer():
        async with SandboxPool(size=2, max_size=2) as pool:
            await pool.initialize()
            async with pool.acquire() as sandbox:
                assert (await sandbox.run_code("x = 1; x + 1")).text == "2"
                first = sandbox.sandbox_id
            sandbox = await pool.acquire()
            assert sandbox.sandbox_id != first and (await sandbox.run_code("'x' in dir()")).text == "False"
            await pool.release(sandbox)
            with pytest.raises(FailedPreconditionError):
                await pool.release(sandbox)
            assert pool.stats()["kind"] == "pool" and pool.stats()["leases"] >= 2

    run(outer())


def test_who_waits_for_a_sandbox_can_give_up(run):
    async def outer():
        async with SandboxPool(size=1, max_size=1) as pool:
            async with pool.acquire():
                with pytest.raises(TimeoutError):
                    await pool.acquire(WorkflowContext(timeout=0.1))
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(pool._acquire(None), 0.1)
            async with pool.acquire() as sandbox:
                assert (await sandbox.run_code("7")).text == "7"

    run(outer())


def test_a_pool_that_several_executors_share(run):
    async def outer():
        async with SandboxPool(size=2) as pool:
            executors = [CodeExecutionPrimitive(supply=pool) for _ in range(2)]
            found = await asyncio.gather(*[one.execute({"code": "print(7)"}) for one in executors * 2])
            assert [one["logs"] for one in found] == ["7\n"] * 4

    run(outer())


def test_session_rotator(run):
    async def outer():
        async with SessionRotator(max_age=1, carry_variables=True, carry_files=True) as session:
            executor = CodeExecutionPrimitive(supply=session)
            first = await executor.execute({"code": "x = [1, 2]; open('kept.txt', 'w').write('kept')"})
            await asyncio.sleep(1.2)
            second = await executor.execute({"code": "print(x, open('kept.txt').read())"})
            assert second["logs"] == "[1, 2] kept\n" and first["sandbox_id"] != second["sandbox_id"]

    run(outer())


def test_ephemeral_supply_with_setup(run):
    async def outer():
        async with EphemeralSupply(setup="import math; answer = 42") as supply:
            async with supply.acquire() as sandbox:
                assert sandbox.fresh and sandbox.init_ms > 0 and (await sandbox.run_code("math.floor(answer)")).text == "42"

    run(outer())


# ---- orchestrator, tests ----


def test_orchestrator(run):
    heard = []
    orchestrator = SandboxOrchestrator(max_concurrent=3, on_result=lambda index, result: heard.append((index, result["success"])))
    tasks = [{"id": f"agent-{n}", "code": f"print({n})" if n != 4 else "1/0"} for n in range(8)]
    found = run(orchestrator.execute({"tasks": tasks}))
    assert [one["id"] for one in found["results"]] == [f"agent-{n}" for n in range(8)]
    assert [one.get("logs") for one in found["results"] if one["success"]] == [f"{n}\n" for n in range(8) if n != 4]
    assert (found["succeeded"], found["failed"], found["skipped"]) == (7, 1, 0) and found["max_running"] <= 3
    assert sorted(heard) == [(n, n != 4) for n in range(8)]


def test_orchestrator_with_a_blackboard(run, tmp_path):
    (tmp_path / "in.txt").write_text("shared")
    orchestrator = SandboxOrchestrator(1, share="blackboard", blackboard_dir=str(tmp_path))
    code = "import os\nboard = os.environ['WARREN_BOARD']\nname = os.environ['WARREN_TASK_INDEX']\n" \
           "open(f'{board}/out-{name}.txt', 'w').write(open(f'{board}/in.txt').read() + name)"
    results = run(orchestrator.run([{"code": code}, {"code": code}]))
    assert all(one["success"] for one in results), results
    assert [(tmp_path / f"out-{n}.txt").read_text() for n in range(2)] == ["shared0", "shared1"]
    with pytest.raises(ValueError):
        SandboxOrchestrator(share="telepathy")


def test_orchestrator_cancelled(run):
    async def outer():
        orchestrator = SandboxOrchestrator(2)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(orchestrator.run([{"code": "import time; time.sleep(600)"}] * 4), 1)

    run(outer())


def test_code_testing(run):
    code = "import json\ngiven = json.load(open('/test_input.json'))\nprint(sum(given))"
    found = run(CodeTestingPrimitive().test(code, [
        {"name": "three", "input": [1, 2, 3], "expected_output": "6"}, {"name": "none", "input": [], "expected_output": "1"},
        {"name": "about", "input": [0.1, 0.2], "expected_number": 0.3, "tolerance": 1e-9}, {"name": "digits", "input": [12], "expected_regex": r"^\d+$"}]))
    assert (found["tests_passed"], found["tests_failed"], found["outcome"]) == (3, 1, "failed") and not found["success"]
    assert [(one["test"], one["passed"]) for one in found["results"]] == [("three", True), ("none", False), ("about", True), ("digits", True)]
    assert "<testsuite" in found["junit_xml"]


# ---- secure ----


def test_secure(run, tmp_path):
    log = str(tmp_path / "audit.jsonl")
    secure = SecureCodeExecutor(CodeExecutionPrimitive(), audit=log)
    found = run(secure.execute({"code": "executor = 'evaluate'\nprint('sk-' + 'a1B2' * 8)"}))
    assert found["success"] and found["logs"].strip() == "[REDACTED]" and found["redactions"] >= 1
    context = WorkflowContext()
    with pytest.raises(PolicyViolationError) as caught:
        run(secure.execute({"code": "import subprocess\nsubprocess.run(['ls'])"}, context))
    assert isinstance(caught.value, ValueError) and caught.value.report["violations"][0]["line"] in (1, 2)
    assert context.state["policy_report"]["allowed"] is False
    assert AuditLog.verify(log)["records"] >= 2 and secure.stats()["refused"] == 1
    secure.close()


def test_secure_with_rules_of_ones_own(run):
    policy = {"imports": {"deny": ["socket"]}}
    secure = SecureCodeExecutor(policy=policy, redactor=RedactorOptions(patterns=[r"id-\d+"], replacement="***"))
    assert run(secure.execute({"code": "import os; print('id-12345', os.name)"}))["logs"] == "*** posix\n"
    with pytest.raises(PolicyViolationError):
        run(secure.execute({"code": "import socket"}))
    secure.close()
    free = SecureCodeExecutor(policy=False, redactor=False)
    assert run(free.execute({"code": "print(eval('6*7'), 'sk-' + 'a1B2' * 8)"}))["logs"] == f"42 sk-{'a1B2' * 8}\n"


def test_redactor():
    redactor = Redactor(literals=["hunter2"])
    assert redactor.redact("it is hunter2, and AKIAIOSFODNN7EXAMPLE ü") == "it is [REDACTED], and [REDACTED] ü"
    assert redactor.count == 2
    stream = redactor.stream()
    pieces = b"".join(stream.feed(piece) for piece in (b"it is hun", b"ter", b"2 again")) + stream.feed(b"", last=True)
    assert pieces == b"it is [REDACTED] again"
    with pytest.raises(ValueError):
        Redactor(patterns=["("])


def test_audit(tmp_path):
    path = tmp_path / "audit.jsonl"
    with AuditLog(str(path)) as audit:
        for number in range(3):
            audit.append({"number": number})
        with pytest.raises(TypeError):
            audit.append({"bad": {1}})
    found = AuditLog.verify(str(path))
    assert found["records"] == 3 and AuditLog.verify(str(path), found["last_hash"])["records"] == 3
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))
    with pytest.raises(WarrenError):
        AuditLog.verify(str(path), found["last_hash"])
    path.write_text("".join([lines[0], lines[2]]))
    with pytest.raises(WarrenError) as caught:
        AuditLog.verify(str(path))
    assert caught.value.code == "data_loss"


# ---- sessions ----


def test_persistent_sessions(run, tmp_path):
    async def outer():
        path = str(tmp_path / "sessions.db")
        async with PersistentSandboxManager(path, max_sessions=2) as manager:
            sandbox = await manager.create_session("alice")
            await sandbox.run_code("x = 20")
            with pytest.raises(AlreadyExistsError):
                await manager.create_session("alice")
            await manager.pause_session("alice")
        async with PersistentSandboxManager(path) as again:
            assert [one["id"] for one in again.list_sessions()] == ["alice"]
            resumed = await again.resume_session("alice")
            assert resumed.sandbox_id == sandbox.sandbox_id and (await resumed.run_code("x + 1")).text == "21"
            executor = again.executor("alice")
            assert (await executor.execute({"code": "print(x * 2)"}))["logs"] == "40\n"
            await executor.cleanup()
            await again.close_session("alice")
            with pytest.raises(NotFoundError):
                await again.resume_session("alice")
            with pytest.raises(ValueError):
                await again.create_session("no/slashes")

    run(outer())


# ---- coordination ----


def test_barrier(run):
    async def outer():
        barrier = Barrier(3)
        assert sorted(await asyncio.gather(*[barrier.wait() for _ in range(3)])) == [0, 1, 2]
        waiting = [asyncio.ensure_future(barrier.wait()) for _ in range(2)]
        await asyncio.sleep(0.5)  # until both wait, which nobody can see
        waiting[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        with pytest.raises(WarrenError) as caught:
            await waiting[1]
        assert caught.value.code == "aborted"

    run(outer())


def test_channel(run):
    async def outer():
        channel = Channel(2)
        received = []

        async def reader():
            async for value in channel:
                received.append(value)

        reading = asyncio.ensure_future(reader())
        for number in range(5):
            await channel.send({"n": number})
        channel.close()
        await reading
        assert received == [{"n": number} for number in range(5)]
        with pytest.raises(WarrenError):
            await channel.send(1)
        with pytest.raises(EOFError):
            await channel.receive()
        with pytest.raises(TimeoutError):
            await Channel().send(1, WorkflowContext(timeout=0.05))

    run(outer())


def test_leases(run):
    async def outer():
        leases = Leases()
        async with await leases.take("gpu", ttl=60) as lease:
            with pytest.raises(TimeoutError):
                await leases.take("gpu", context=WorkflowContext(timeout=0.05))
            lease.renew(60)
        second = await leases.take("gpu")
        assert second.token > lease.token
        with pytest.raises(FailedPreconditionError):
            lease.renew(1)
        second.release()

    run(outer())


# ---- telemetry, ledger ----


def test_observability(run, caplog):
    telemetry = initialize_observability("test-of-python")
    try:
        port = telemetry.serve(_free_port())
        with caplog.at_level(logging.INFO, logger="warren"):
            context = WorkflowContext(correlation_id="req-123")
            with context.span("my.step", number=1, text="a", truth=True, share=0.5) as span:
                span.set("more", "b")
                run(CodeExecutionPrimitive().execute({"code": "print(1)"}, context))
            with pytest.raises(KeyError), context.span("fails"):
                raise KeyError("x")
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20).read().decode()
        assert page.startswith("#") and "code_execution_requests_total" in telemetry.prometheus()
        records = [record.fields for record in caplog.records if record.name == "warren" and record.fields["event"] == "code_execution"]
        assert len(records) == 1 and records[0]["correlation_id"] == "req-123" and records[0]["success"] is True
        assert {"primitive", "execution_time_ms", "code_length"} <= set(records[0]) and records[0]["code_length"] == 8
        assert isinstance(telemetry.stats(), dict)
    finally:
        shutdown_observability()
    assert WorkflowContext().telemetry is None


def _free_port():
    from service import free_ports

    return free_ports(1)[0]


def test_a_listener_of_records_that_fails(run, caplog):
    def broken(record):
        raise KeyError(record["event"])

    with Telemetry(on_log=broken) as telemetry:
        run(CodeExecutionPrimitive().execute({"code": "1"}, WorkflowContext(telemetry=telemetry)))
    assert "the listener of log records failed" in caplog.text


def test_ledger(run, tmp_path):
    path = str(tmp_path / "ledger.db")
    executor = CodeExecutionPrimitive(ledger=path)
    for code in ("print(1)", "1/0"):
        run(executor.execute({"code": code}))
    with Ledger(path) as ledger:
        usage, slo = ledger.usage(3600), ledger.slo(create_p95_ms=60_000)
    assert usage["executions"] == 2 and usage["succeeded"] == 1 and usage["sandbox_hours"] > 0
    assert slo["executions"] == 2 and slo["success"]["rate"] == 1 and slo["met"] is True
    json.dumps([usage, slo])


def test_rate_limit_of_the_secure_executor(run):
    secure = SecureCodeExecutor(policy=False, max_per_second=0.001)
    run(secure.execute({"code": "1"}))
    with pytest.raises(RateLimitError):
        run(secure.execute({"code": "1"}))
