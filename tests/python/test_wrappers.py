"""Arguments of the wrappers, and what each does around a step of Python. (Their state machines have unit tests in C.)"""

import asyncio
import inspect

import pytest
from steps import Add, Script
from warren import errors
from warren.primitives import (
    BudgetPrimitive, CachePrimitive, CircuitBreakerConfig, CircuitBreakerPrimitive, CodeExecutionPrimitive, E2BPrimitive, FallbackPrimitive,
    MemoryCache, RateLimitPrimitive, RetryPrimitive, RetryStrategy, SQLiteCache, TimeoutPrimitive, WorkflowContext)


def test_signatures_of_the_documents():
    """Names, order and defaults that programs rely on."""
    def of(one):
        return {name: parameter.default for name, parameter in list(inspect.signature(one).parameters.items())}

    found = of(CodeExecutionPrimitive)
    assert list(found)[:5] == ["api_key", "timeout", "template", "enable_pip_install", "max_output_size"]
    assert [found[name] for name in list(found)[:5]] == [None, 30, None, True, 10_000]
    assert {"default_timeout", "session_max_age", "template_id", "mode", "pool_size", "env"} < set(found)
    assert found["session_max_age"] == 3300 and E2BPrimitive is CodeExecutionPrimitive
    assert list(of(RetryPrimitive))[:3] == ["primitive", "max_retries", "backoff_strategy"]
    assert list(of(TimeoutPrimitive)) == ["primitive", "timeout_seconds", "fallback"]
    assert list(of(FallbackPrimitive))[:2] == ["primary", "fallback"]
    assert list(of(CircuitBreakerPrimitive)) == ["primitive", "config"]
    assert list(of(CachePrimitive))[:3] == ["primitive", "cache_key_fn", "ttl_seconds"] and of(CachePrimitive)["ttl_seconds"] == 3600
    assert vars(RetryStrategy()) == {"max_retries": 3, "backoff_base": 2.0, "max_backoff": 60.0, "jitter": True, "initial_delay": 1.0}
    config = CircuitBreakerConfig()
    assert (config.failure_threshold, config.recovery_timeout, config.success_threshold) == (5, 60.0, 2)


@pytest.mark.parametrize("wrong", [
    {"failure_threshold": 0}, {"recovery_timeout": 0}, {"recovery_timeout": -1}, {"success_threshold": 0}])
def test_wrong_configuration_of_a_breaker(wrong):
    with pytest.raises(ValueError):
        CircuitBreakerConfig(**wrong)


def test_retry(run):
    for arguments in ({"max_retries": 2, "initial_delay": 0.001}, {"strategy": RetryStrategy(2, initial_delay=0.001, jitter=False)},
                      {"max_retries": 2, "backoff_strategy": "linear", "initial_delay": 0.001}):
        script = Script(RuntimeError(), ConnectionError(), {"n": 1})
        retry = RetryPrimitive(script, **arguments)
        assert run(retry.execute({})) == {"n": 1} and script.calls == 3
        assert retry.stats()["retries"] == 2 and retry.stats()["recovered"] == 1
    for wrong in ({"backoff_strategy": "none"}, {"max_retries": -1}, {"retry_on": []}, {"retry_on": ["no such"]}, {"initial_delay": -1}):
        with pytest.raises(ValueError):
            RetryPrimitive(Add(), **wrong)


def test_retry_of_code_that_fails(run):
    script = Script({"success": False, "n": 1}, {"success": True, "n": 2})
    assert run(RetryPrimitive(script, 1, initial_delay=0.001, retry_on="code").execute({}))["n"] == 2
    script = Script({"success": False, "n": 1})
    assert run(RetryPrimitive(script, 1).execute({})) == {"success": False, "n": 1}


def test_fallback(run):
    fallback = FallbackPrimitive(Script(RuntimeError(), {"from": "primary"}), lambda value: {"from": "fallback"})
    assert run(fallback.execute({})) == {"from": "fallback"}
    assert run(fallback.execute({})) == {"from": "primary"}
    assert fallback.stats()["primary"] == 1 and fallback.stats()["fallback"] == 1
    with pytest.raises(ValueError):
        run(FallbackPrimitive(Script(ValueError()), Add()).execute({"n": 1}))
    assert run(FallbackPrimitive(Script(ValueError()), Add(), on="input").execute({"n": 1})) == {"n": 2}


def test_breaker_states(run):
    breaker = CircuitBreakerPrimitive(Script(RuntimeError(), {"n": 1}), CircuitBreakerConfig(failure_threshold=1))
    assert (breaker.state, breaker.failure_count, breaker.success_count) == ("closed", 0, 0)
    with pytest.raises(RuntimeError):
        run(breaker.execute({}))
    assert breaker.state == "open" and breaker.failure_count == 1
    with pytest.raises(errors.CircuitBreakerError):
        run(breaker.execute({}))
    breaker.reset()
    assert breaker.state == "closed" and run(breaker.execute({})) == {"n": 1}


@pytest.mark.parametrize("keys", [{"cache_key_fn": lambda value: value["k"]}, {"key_fn": lambda value, context: context.session_id + value["k"]},
                                  {"key_fn": None}])
def test_cache(run, keys, tmp_path):
    if keys == {"key_fn": None}:
        keys = {"key_fn": _key_later}
    for backend in (None, MemoryCache(), SQLiteCache(str(tmp_path / f"{len(keys)}.db"))):
        script = Script({"n": 1}, {"n": 2})
        cache = CachePrimitive(script, **keys, backend=backend)
        context = WorkflowContext(session_id="s")
        first, second, other = [run(cache.execute({"k": key}, context)) for key in ("a", "a", "b")]
        assert (first["n"], second["n"], other["n"]) == (1, 1, 2) and script.calls == 2
        assert second["cached"] is True
        stats = cache.stats()
        assert (stats["hits"], stats["misses"]) == (1, 2)
        cache.clear_cache()
        script.acts.append({"n": 3})
        assert run(cache.execute({"k": "a"}, context))["n"] == 3


async def _key_later(value):
    await asyncio.sleep(0)
    return value["k"]


def test_cache_keeps_no_failure(run):
    script = Script({"success": False}, RuntimeError(), {"success": True})
    cache = CachePrimitive(script, lambda value: "k")
    assert run(cache.execute({}))["success"] is False
    with pytest.raises(RuntimeError):
        run(cache.execute({}))
    assert run(cache.execute({}))["success"] and run(cache.execute({}))["success"] and script.calls == 3


def test_what_is_not_to_be_cached(run):
    script = Script({"n": 1}, {"n": 2})
    cache = CachePrimitive(script, lambda value: None)
    assert [run(cache.execute({}))["n"] for _ in range(2)] == [1, 2]


def test_a_key_function_that_fails(run):
    script = Script({"n": 1})
    with pytest.raises(KeyError, match="k"):
        run(CachePrimitive(script, lambda value: value["k"]).execute({}))


def test_concurrent_executions_with_one_key_run_once(run):
    calls = []

    async def slow(value):
        calls.append(1)
        await asyncio.sleep(0.02)
        return {"n": 1}

    async def all_of_them():
        cache = CachePrimitive(slow, lambda value: "k")
        return await asyncio.gather(*[cache.execute({}) for _ in range(20)])

    assert all(one["n"] == 1 for one in run(all_of_them())) and len(calls) == 1


def test_rate_limit(run):
    limited = RateLimitPrimitive(Add(), per_second=0.001, burst=2)
    assert [run(limited.execute({"n": n}))["n"] for n in range(2)] == [1, 2]
    with pytest.raises(errors.RateLimitError) as caught:
        run(limited.execute({"n": 1}))
    assert caught.value.retry_after > 1 and limited.stats()["refused"] == 1


def test_budget(run):
    levels = []
    budget = BudgetPrimitive(Script(*[{"execution_time_ms": 3_600_000.0, "sandbox_ms": 0.0}] * 3), max_sandbox_hours=2,
                             on_level=lambda state: levels.append(state))
    run(budget.execute({}))
    run(budget.execute({}))
    with pytest.raises(errors.FailedPreconditionError):
        run(budget.execute({}))
    assert [state.level for state in levels] == ["stop"] or [state.level for state in levels] == ["warn", "stop"]
    assert levels[-1].limit == "sandbox_hours" and levels[-1].allowed == 2
