"""Nothing is left behind: no thread, no descriptor, no object, no entry of a registry, however an execution ends."""

import asyncio
import gc
import os
import threading
import time
import weakref

import pytest
import warren_host
from steps import Add, Hang, Script
from warren import _execution, cache, context, limits
from warren.primitives import (
    BudgetPrimitive, CachePrimitive, CircuitBreakerPrimitive, ConditionalPrimitive, FallbackPrimitive, ParallelPrimitive,
    RateLimitPrimitive, RetryPrimitive, SequentialPrimitive, TimeoutPrimitive, WorkflowContext)

REGISTRIES = {"executions": _execution.executions, "steps": _execution.steps, "listeners": context._listeners, "budgets": limits._listeners}


def figures():
    gc.collect()
    return {"descriptors": len(os.listdir("/proc/self/fd")), "threads": len(os.listdir("/proc/self/task")),
            **{name: len(registry) for name, registry in REGISTRIES.items()}}


@pytest.fixture
def nothing_left():
    (Add() >> Add()).execute_sync({"n": 1})  # what is made once
    before, last = figures(), None
    while before != last:  # threads of earlier calls may be at their end
        time.sleep(0.2)
        before, last = figures(), before
    yield
    warren_host.wait_for(lambda: figures() == before, 60, f"as many as before: {before}")


def wrapped(step):
    """Every wrapper around a step."""
    return BudgetPrimitive(RateLimitPrimitive(CircuitBreakerPrimitive(CachePrimitive(TimeoutPrimitive(FallbackPrimitive(
        RetryPrimitive(step, 1, initial_delay=0.001), Add()), 60), key_fn=lambda value: str(value))), per_second=1e6, burst=10**6),
        on_level=lambda state: None)


def test_success(nothing_left, run):
    async def many():
        chain = wrapped(Add()) >> ParallelPrimitive([Add(), Add()]) >> (lambda results: results[0])
        await asyncio.gather(*[chain.execute({"n": n}) for n in range(50)])

    run(many())


def test_failures(nothing_left, run):
    async def many():
        for _ in range(20):
            with pytest.raises(ValueError):
                await SequentialPrimitive([Add(), Script(ValueError("x"))]).execute({"n": 1})
            with pytest.raises(TypeError):
                await SequentialPrimitive([lambda _: {1}]).execute({})
            with pytest.raises(TypeError):
                await SequentialPrimitive([Add()]).execute({1})

    run(many())


def test_cancellation(nothing_left, run):
    async def many():
        chain = ParallelPrimitive([Hang(), Add() >> Hang()])
        tasks = [asyncio.ensure_future(chain.execute({"n": 1}, WorkflowContext(on_stdout=print))) for _ in range(20)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*tasks, return_exceptions=True))

    run(many())


def test_constructors_that_fail(nothing_left):
    for wrong in (lambda: TimeoutPrimitive(Add(), -1), lambda: RateLimitPrimitive(Add(), 0), lambda: RetryPrimitive(Add(), 0),
                  lambda: RetryPrimitive(Add(), retry_on="nothing"), lambda: BudgetPrimitive(Add(), max_cost=3),
                  lambda: CachePrimitive(Add(), ttl_seconds=0), lambda: ParallelPrimitive([Add()] * 100_000),
                  lambda: ConditionalPrimitive(lambda _: 0, 3), lambda: CachePrimitive(Add(), key_fn=str, cache_key_fn=str)):
        with pytest.raises((ValueError, TypeError)):
            wrong()


def test_objects_go_when_nobody_holds_them(run):
    step = Add()
    chain = wrapped(step) >> step
    context_of_it = WorkflowContext()
    run(chain.execute({"n": 1}, context_of_it))
    seen = [weakref.ref(one) for one in (step, chain, context_of_it)]
    del step, chain, context_of_it
    gc.collect()
    assert [one() for one in seen] == [None, None, None]


def test_exceptions_do_not_hold_executions(run):
    class Own(Exception):
        pass

    error = Own("mine")
    with pytest.raises(Own):
        run(SequentialPrimitive([Script(error)]).execute({}))
    seen = weakref.ref(error)
    del error
    gc.collect()
    assert seen() is None


def test_cleanup_and_again(run):
    closed = []

    class Closing(Add):
        async def cleanup(self):
            closed.append(True)

    async def outer():
        async with RetryPrimitive(SequentialPrimitive([Closing()])) as chain:
            assert await chain.execute({"n": 1}) == {"n": 2}
        await chain.cleanup()
        assert len(closed) == 2
        assert await chain.execute({"n": 1}) == {"n": 2}
        chain.close()
        chain.close()

    run(outer())


def test_cleanup_while_it_executes(run):
    hang = Hang()

    async def outer():
        chain = Add() >> hang
        hang.begun = asyncio.Event()
        task = asyncio.ensure_future(chain.execute({"n": 1}))
        await hang.begun.wait()
        await chain.cleanup()
        assert hang.running == 1, "what runs goes on"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(outer())


def test_a_cache_that_is_shared(run):
    store = cache.MemoryCache()
    script = Script({"n": 1})
    first, second = (CachePrimitive(one, lambda value: "k", backend=store) for one in (script, Script()))
    assert run(first.execute({})) == run(second.execute({})) == {"n": 1, "cached": True} or script.calls == 1
    store.close()
    assert run(second.execute({})) is not None, "caches hold it themselves"


def test_threads_have_ended():
    warren_host.wait_for(lambda: not [one for one in threading.enumerate() if one.name == "warren-call"], 20, "threads of calls end")
