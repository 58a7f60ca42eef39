"""Primitives of Python inside those of C: one after the other, side by side, one or the other, again until it works."""

import asyncio
import contextvars
import inspect
import threading

import pytest
from steps import Add, Script
from warren.errors import FailedPreconditionError, InvalidInputError
from warren.primitives import (
    BranchPrimitive, ConditionalPrimitive, IterativeRefinementPrimitive, LambdaPrimitive, ParallelPrimitive,
    SequentialPrimitive, WorkflowContext, WorkflowPrimitive, branch)


def double(value):
    return {"n": value["n"] * 2}


async def double_later(value, context):
    await asyncio.sleep(0)
    return double(value)


def test_sequence(run):
    assert run((Add(1) >> double >> Add(3)).execute({"n": 1})) == {"n": 7}
    assert run((double >> Add(1)).execute({"n": 5})) == {"n": 11}
    assert run((Add() >> double_later).execute({"n": 5})) == {"n": 12}
    assert run(SequentialPrimitive([Add()]).execute({"n": 0})) == {"n": 1}


def test_parallel(run):
    assert run((Add(1) | double | Add(3)).execute({"n": 5})) == [{"n": 6}, {"n": 10}, {"n": 8}]
    assert run((double | Add(1)).execute({"n": 5})) == [{"n": 10}, {"n": 6}]
    assert run((Add(1) | (Add(2) >> double)).execute({"n": 0})) == [{"n": 1}, {"n": 4}]


def test_compositions_are_flat():
    assert len((Add() >> Add() >> Add()).primitives) == 3
    assert len((Add() | Add() | Add()).primitives) == 3
    assert len((ParallelPrimitive([Add(), Add()], keep_going=True) | Add()).primitives) == 2


def test_nothing_to_compose():
    for make in (SequentialPrimitive, ParallelPrimitive, lambda none: BranchPrimitive(lambda _: 0, none)):
        with pytest.raises(ValueError):
            make([])
    for other in (3, "text", None):
        with pytest.raises(TypeError):
            Add() >> other


def test_branches(run):
    def which(value):
        return value["n"] % 3

    three = branch(which, Add(10), Add(20), lambda _: {"n": "third"})
    assert [run(three.execute({"n": n})) for n in (0, 1, 2)] == [{"n": 10}, {"n": 21}, {"n": "third"}]
    with pytest.raises(InvalidInputError):
        run(branch(which, Add()).execute({"n": 1}))
    with pytest.raises(KeyError):
        run(three.execute({"m": 1}))


def test_conditional(run):
    def is_big(value, context):
        return value["n"] > 5

    async def later(value):
        return value["n"] > 5

    for condition in (is_big, later):
        assert run(ConditionalPrimitive(condition, double, Add(1)).execute({"n": 6})) == {"n": 12}
        assert run(ConditionalPrimitive(condition, double, Add(1)).execute({"n": 5})) == {"n": 6}
        assert run(ConditionalPrimitive(condition, double).execute({"n": 5})) == {"n": 5}


def test_keep_going(run):
    both = ParallelPrimitive([Add(1), Script(ValueError("no"))], keep_going=True)
    good, bad = run(both.execute({"n": 1}))
    assert good == {"n": 2} and bad["error"]["code"] == "invalid_argument" and "ValueError: no" in bad["error"]["message"]


def test_limit_of_branches(run):
    running, most = 0, 0

    async def count(value):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return value

    run(ParallelPrimitive([count] * 9, max_concurrent=3).execute({}))
    assert most == 3


def test_refinement(run):
    seen = []

    def generate(asked, context):
        seen.append(asked)
        return {"code": f"attempt {asked['attempt']}"}

    executor = Script({"success": False, "error": "NameError: x"}, {"success": True, "logs": "42\n"})
    found = run(IterativeRefinementPrimitive(generate, executor).execute({"task": "answer"}))
    assert found["success"] and found["code"] == "attempt 2" and found["attempts"] == 2
    assert [asked["attempt"] for asked in seen] == [1, 2] and seen[0]["history"] == []
    assert seen[1]["input"] == {"task": "answer"}
    assert [(one["attempt"], one["code"], one["error"]) for one in seen[1]["history"]] == [(1, "attempt 1", "NameError: x")]


def test_refinement_gives_up(run):
    context = WorkflowContext()
    executor = Script(*[{"success": False, "error": f"E: {n}"} for n in range(2)])
    with pytest.raises(FailedPreconditionError, match="E: 1"):
        run(IterativeRefinementPrimitive(lambda _: "code", executor, max_attempts=2).execute({}, context))
    assert len(context.state["refine_history"]) == 2
    with pytest.raises(ValueError):
        IterativeRefinementPrimitive(lambda _: "code", executor, max_attempts=0)


def test_functions_of_one_and_of_two_arguments(run):
    class Callable:
        def __call__(self, value, context):
            return [value, isinstance(context, WorkflowContext)]

    assert run(LambdaPrimitive(lambda value, context: context.workflow_id).execute(1, WorkflowContext("w"))) == "w"
    assert run(LambdaPrimitive(lambda value, context=None: context).execute(1, WorkflowContext("w"))) is None
    assert run(SequentialPrimitive([Callable()]).execute(1)) == [1, True]
    assert LambdaPrimitive(double).name == "double" and LambdaPrimitive(double, "twice").name == "twice"


def test_own_primitives_are_called_as_they_are(run):
    assert run(Add().execute({"n": 1})) == {"n": 2}
    assert Add().execute_sync({"n": 1}) == {"n": 2}
    assert Add().name == "Add" and Add().stats() == {}
    with pytest.raises(NotImplementedError):
        run(WorkflowPrimitive().execute({}))
    assert list(inspect.signature(WorkflowPrimitive.execute).parameters) == ["self", "input_data", "context"]


def test_a_subclass_of_a_c_primitive_that_executes_itself(run):
    class Logged(SequentialPrimitive):
        async def execute(self, input_data, context=None):
            found = await super().execute(input_data, context)
            return {**found, "logged": True}

    assert run((Logged([Add()]) >> (lambda value: value)).execute({"n": 1})) == {"n": 2, "logged": True}


def test_sync(run):
    assert (Add() >> double).execute_sync({"n": 1}) == {"n": 4}

    async def inside():
        with pytest.raises(RuntimeError, match="await"):
            (Add() >> double).execute_sync({"n": 1})

    run(inside())


def test_steps_run_on_the_loop_that_awaits(run):
    """In its thread, and with its context variables."""
    variable = contextvars.ContextVar("variable")

    def where(_):
        return [threading.get_ident(), variable.get("unset")]

    async def outer():
        variable.set("mine")
        parallel = await ParallelPrimitive([where] * 3).execute({})
        assert parallel == [[threading.get_ident(), "mine"]] * 3

    run(outer())


def test_one_primitive_on_two_loops():
    """At the same time, each on its own."""
    both = Add() >> (lambda value: [value["n"], threading.get_ident()])
    found = {}

    def thread(number):
        found[threading.get_ident()] = [both.execute_sync({"n": number}) for _ in range(20)]

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert len(found) == 4
    for ident, results in found.items():
        assert all(ran_in == ident for _, ran_in in results) and len({n for n, _ in results}) == 1


def test_fifty_deep(run):
    """Executions inside executions: no pool of threads that could run out."""
    def level(depth):
        async def step(value, context):
            if depth == 0:
                return value
            return await SequentialPrimitive([level(depth - 1)]).execute({"n": value["n"] + 1}, context)
        return step

    assert run(SequentialPrimitive([level(50)]).execute({"n": 0})) == {"n": 50}


def test_a_hundred_wide(run):
    async def all_of_them():
        chain = Add() >> Add()
        return await asyncio.gather(*[chain.execute({"n": n}) for n in range(100)])

    assert run(all_of_them()) == [{"n": n + 2} for n in range(100)]


def test_wide_and_deep(run):
    def level(depth):
        if depth == 0:
            return Add()
        return ParallelPrimitive([level(depth - 1)] * 5) >> (lambda results: results[0])

    assert run(level(3).execute({"n": 0})) == {"n": 1}


def test_deep_composition(run):
    chain = Add()
    for _ in range(50):
        chain = ParallelPrimitive([chain]) >> (lambda results: results[0])
    assert run(chain.execute({"n": 0})) == {"n": 1}
