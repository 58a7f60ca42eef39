"""Ends of executions: cancelled tasks, timeouts, Ctrl-C. Nothing goes on behind the caller's back."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import warren_host
from conftest import PACKAGE
from steps import Add, Hang
from warren import errors
from warren.primitives import FallbackPrimitive, ParallelPrimitive, RetryPrimitive, TimeoutPrimitive, WorkflowContext


async def begun(hang, awaitable):
    """A task that is inside of `hang`."""
    hang.begun = asyncio.Event()
    task = asyncio.ensure_future(awaitable)
    await asyncio.wait_for(hang.begun.wait(), 20)
    return task


@pytest.mark.parametrize("wrap", [
    lambda hang: Add() >> hang, lambda hang: ParallelPrimitive([hang, Add(), hang]), lambda hang: TimeoutPrimitive(hang, 100),
    lambda hang: RetryPrimitive(FallbackPrimitive(hang, Add())), lambda hang: Add() >> (lambda value: (Add() >> hang).execute(value))])
def test_a_cancelled_task(run, wrap):
    hang = Hang()

    async def outer():
        task = await begun(hang, wrap(hang).execute({"n": 1}))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert hang.running == 0 and hang.canceled >= 1

    run(outer())


def test_cancelled_at_once(run):
    async def outer():
        task = asyncio.ensure_future((Add() >> Add()).execute({"n": 1}))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(outer())


def test_cancelled_twice(run):
    """While the step still cleans up: its end is awaited all the same."""
    ended = []

    async def outer():
        begun, cleaning, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow_to_end(value):
            begun.set()
            try:
                await asyncio.sleep(3600)
            finally:
                cleaning.set()
                await go_on.wait()
                ended.append(True)

        task = asyncio.ensure_future((Add() >> slow_to_end).execute({"n": 1}))
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        await asyncio.wait_for(cleaning.wait(), 20)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    run(outer())


def test_wait_for(run):
    hang = Hang()

    async def outer():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for((Add() >> hang).execute({"n": 1}), 1)  # it is inside of `hang` long before
        assert hang.running == 0 and hang.canceled == 1

    run(outer())


def test_timeout_primitive(run):
    hang, context = Hang(), WorkflowContext()
    with pytest.raises(TimeoutError) as caught:
        run(TimeoutPrimitive(hang, 1).execute({}, context))  # it is inside of `hang` long before
    assert isinstance(caught.value, errors.TimeoutError) and hang.canceled == 1
    assert context.state["timeout_count"] == 1 and len(context.state["timeout_history"]) == 1
    assert run(TimeoutPrimitive(hang, 0.05, fallback=Add()).execute({"n": 1}, context)) == {"n": 2}
    assert context.state["timeout_count"] == 2


def test_time_of_the_context(run):
    hang = Hang()
    with pytest.raises(TimeoutError):
        run((Add() >> hang).execute({"n": 1}, WorkflowContext(timeout=1)))  # as above
    assert hang.canceled == 1 and hang.running == 0


def test_context_cancel(run):
    hang, context = Hang(), WorkflowContext()

    async def outer():
        task = await begun(hang, (Add() >> hang).execute({"n": 1}, context))
        context.cancel()
        with pytest.raises(errors.CanceledError):
            await task
        with pytest.raises(errors.CanceledError):
            await (Add() >> Add()).execute({"n": 1}, context)
        with pytest.raises(errors.CanceledError):
            context.check()

    run(outer())
    assert hang.canceled == 1


def test_a_child_is_cancelled_alone(run):
    hang, context = Hang(), WorkflowContext()

    async def outer():
        child = context.child("one part")
        task = await begun(hang, (Add() >> hang).execute({"n": 1}, child))
        child.cancel()
        with pytest.raises(errors.CanceledError):
            await task
        assert await (Add() >> Add()).execute({"n": 1}, context) == {"n": 3}

    run(outer())


def test_the_first_failure_cancels_the_other_branches(run):
    hang = Hang()

    async def fail_when_they_run(value):
        while hang.running < 2:
            await asyncio.sleep(0.001)
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        run(ParallelPrimitive([hang, fail_when_they_run, hang]).execute({}))
    assert hang.running == 0 and hang.canceled == 2


def test_a_step_that_does_not_let_itself_be_cancelled(run):
    """Its result is not wanted any more, and the task ends when it has ended."""
    async def stubborn(value):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)
        return {"n": 7}

    async def outer():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for((Add() >> stubborn).execute({"n": 1}), 0.05)

    run(outer())


CTRL_C = """
import asyncio, sys
from warren.primitives import SequentialPrimitive, WorkflowPrimitive
class Hang(WorkflowPrimitive):
    async def execute(self, input_data, context=None):
        try:
            print("begun", flush=True)
            await asyncio.sleep(3600)
        finally:
            print("ended", flush=True)
try:
    SequentialPrimitive([Hang()]).execute_sync({})
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c():
    program = subprocess.Popen([sys.executable, "-B", "-c", CTRL_C], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(PACKAGE / "src")}, start_new_session=True)
    assert program.stdout.readline() == "begun\n"
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=20)[0] == "ended\ninterrupted\n"
    assert program.returncode == 0


CTRL_C_IN_A_CALL = """
import sys, warren
client = warren.Client("e2b_" + "0" * 40, api_url=f"http://127.0.0.1:{sys.argv[1]}")
try:
    client.check_sync()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_in_a_plain_call():
    """A server that accepts and never answers: the call is given up at once, not when its time is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = subprocess.Popen([sys.executable, "-B", "-c", CTRL_C_IN_A_CALL, str(listener.getsockname()[1])], text=True,
                                   stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, "PYTHONPATH": str(PACKAGE / "src")})
        listener.settimeout(20)
        with listener.accept()[0] as connection:
            assert connection.recv(1)
            program.send_signal(signal.SIGINT)
            assert program.communicate(timeout=20)[0] == "interrupted\n" and program.returncode == 0


def test_a_loop_that_is_closed_early():
    """A loop that ends without awaiting its tasks: the thread that waited for it ends too, and nothing is written to it."""
    hang = Hang()
    loop = asyncio.new_event_loop()

    async def start():
        hang.begun = asyncio.Event()
        task = asyncio.ensure_future((Add() >> (lambda value: time.sleep(0.05) or value)).execute({"n": 1}))
        await asyncio.sleep(0.02)
        return task

    task = loop.run_until_complete(start())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    warren_host.wait_for(lambda: all(one.name != "warren-call" for one in threading.enumerate()), 20, "the thread ends")
