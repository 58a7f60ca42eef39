"""WorkflowContext: ids, trace, state, parts."""

import asyncio
import re

import pytest
from steps import Add
from warren.errors import InvalidInputError
from warren.primitives import LambdaPrimitive, ParallelPrimitive, WorkflowContext

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_ids():
    one, other = WorkflowContext(), WorkflowContext()
    assert one.workflow_id != other.workflow_id and re.fullmatch(r"[0-9a-f-]{36}", one.correlation_id)
    assert one.session_id is None
    given = WorkflowContext("w", "s", correlation_id="req-123")
    assert (given.workflow_id, given.session_id, given.correlation_id) == ("w", "s", "req-123")
    assert WorkflowContext.root("w").workflow_id == "w"
    assert "req-123" in repr(given)


def test_trace():
    context = WorkflowContext(trace_id=TRACE, span_id=SPAN)
    assert (context.trace_id, context.span_id, context.trace_flags) == (TRACE, SPAN, 1)
    assert context.traceparent == f"00-{TRACE}-{SPAN}-01"
    assert re.fullmatch(r"[0-9a-f]{32}", WorkflowContext().trace_id)
    assert WorkflowContext(trace_id=TRACE).trace_id == TRACE
    for wrong in ("0" * 32, "xyz"):
        with pytest.raises(InvalidInputError):
            WorkflowContext(trace_id=wrong)


def test_state_is_shared(run):
    context = WorkflowContext(state={"n": 1})

    def step(value, inside):
        assert inside.workflow_id == context.workflow_id and inside.state["n"] == 1
        inside.state["list"] = [1, {"a": None}]
        return value

    run(ParallelPrimitive([step]).execute({}, context))
    assert dict(context.state) == {"n": 1, "list": [1, {"a": None}]} and len(context.state) == 2
    assert "n" in context.state and context.state.pop("n") == 1 and "n" not in context.state
    with pytest.raises(KeyError):
        context.state["n"]
    with pytest.raises(KeyError):
        del context.state["n"]
    with pytest.raises(TypeError, match=r"state\['bad'\]"):
        context.state["bad"] = {1}
    assert "list" in repr(context.state)


def test_children():
    context = WorkflowContext("w", metadata={"user": 1}, tags={"a": "b"}, baggage={"c": "d"}, player_id="p")
    child = WorkflowContext.child(context, "step one")
    child.state["seen"] = True
    child.metadata["user"] = 2
    assert child.workflow_id == "w" and child.correlation_id == context.correlation_id and child.trace_id == context.trace_id
    assert child.causation_id == context.correlation_id and child.parent_span_id == context.span_id
    assert context.state["seen"] is True and context.metadata == {"user": 1}
    assert child.tags == {"a": "b", "step": "step one"} and child.baggage == {"c": "d"} and child.player_id == "p"
    assert context.create_child_context().metadata == {"user": 1}


def test_metadata_reaches_steps(run):
    context = WorkflowContext(metadata={"user": "u"})
    chain = Add() >> LambdaPrimitive(lambda value, inside: [inside.metadata, inside.parent_span_id])
    metadata, parent = run(chain.execute({"n": 1}, context))
    assert metadata == {"user": "u"} and re.fullmatch(r"[0-9a-f]{16}", parent)


def test_checkpoints(run):
    context = WorkflowContext()
    context.checkpoint("begin")
    run((Add() >> Add()).execute({"n": 1}, context))
    context.checkpoint("end")
    names = [name for name, _ in context.checkpoints]
    assert names[0] == "begin" and names[-1] == "end" and len(names) > 2
    times = [elapsed for _, elapsed in context.checkpoints]
    assert times == sorted(times) and times[-1] <= context.elapsed_ms()


def test_otel():
    found = WorkflowContext("w", "s", correlation_id="c", player_id="p").to_otel_context()
    assert found["workflow.id"] == "w" and found["workflow.session_id"] == "s" and found["workflow.correlation_id"] == "c"
    assert found["workflow.player_id"] == "p" and found["workflow.elapsed_ms"] >= 0 and "workflow.parent_span_id" not in found


def test_wrong_texts():
    for wrong in ({"workflow_id": "a\0b"}, {"workflow_id": "x" * 300}, {"timeout": 0}, {"timeout": float("nan")}):
        with pytest.raises(ValueError):
            WorkflowContext(**wrong)
    with pytest.raises(TypeError):
        WorkflowContext(workflow_id=7)


def test_many_contexts_at_once(run):
    async def one(number):
        context = WorkflowContext(f"w{number}", state={"mine": number})
        chain = Add() >> LambdaPrimitive(lambda value, inside: [inside.workflow_id, inside.state["mine"]])
        return await chain.execute({"n": number}, context)

    async def all_of_them():
        return await asyncio.gather(*[one(number) for number in range(50)])

    assert run(all_of_them()) == [[f"w{number}", number] for number in range(50)]
