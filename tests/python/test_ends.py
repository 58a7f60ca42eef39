"""Ends that nobody planned: a loop that is closed, coroutines that are thrown away, fork, exit, Ctrl-C twice."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest
import warren_host
from conftest import PACKAGE
from steps import Add, Hang
from warren._calls import Token, in_thread
from warren._native import Handle
from warren.primitives import FallbackPrimitive, TimeoutPrimitive, WorkflowContext


def threads_end():
    warren_host.wait_for(lambda: all(one.name != "warren-call" for one in threading.enumerate()), 20, "threads of calls end")


_running = []


@pytest.fixture(autouse=True)
def nothing_goes_on():
    """What a failed test has started ends with it: some of these programs wait for ever."""
    yield
    while _running:
        process = _running.pop()
        process.kill()
        process.wait()


def program(text, *arguments, **options):
    started = subprocess.Popen([sys.executable, "-B", "-c", textwrap.dedent(text), *arguments], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PACKAGE / "src")}, start_new_session=True, **options)
    _running.append(started)
    return started


def output_of(text):
    """Of a program that has to end by itself."""
    running = program(text)
    said, wrong = running.communicate(timeout=20)
    assert running.returncode == 0, wrong
    return said


def test_a_loop_that_is_closed_inside_a_step():
    """Neither step nor execution end by themselves: the thread of C gives up, and what it used is freed after it."""
    hang, loop = Hang(), asyncio.new_event_loop()
    context = WorkflowContext()

    async def start():
        hang.begun = asyncio.Event()
        tasks = [asyncio.ensure_future(TimeoutPrimitive(Add() >> hang, 600).execute({"n": 1}, context)) for _ in range(3)]
        while hang.running < 3:
            await hang.begun.wait()
            await asyncio.sleep(0)
        return tasks

    tasks = loop.run_until_complete(start())
    loop.close()
    threads_end()
    seen = weakref.ref(context)
    for task in tasks:
        task._log_destroy_pending = False
    del tasks, task, context, start, loop
    hang.begun = None
    # Tasks that are collected close their coroutines, which let go the rest.
    warren_host.wait_for(lambda: gc.collect() >= 0 and seen() is None, 30, "the context is freed")


def test_a_coroutine_that_is_thrown_away(run):
    """It cannot wait, so the call is told to end, and what it uses lives until it has; a result that comes late is disposed of."""
    begun, gone, discarded = threading.Event(), threading.Event(), []

    async def outer():
        token = Token()
        freed = []
        used = Handle(1, lambda _: freed.append(gone.is_set()))

        def work():
            with used.use():
                begun.set()
                assert gone.wait(20)
                return "late"

        coroutine = in_thread(lambda: token.run(lambda _: work()), gone.set, discarded.append)
        coroutine.send(None)
        assert begun.wait(20)
        used.close()
        assert not freed
        with pytest.raises(GeneratorExit):
            coroutine.throw(GeneratorExit)
        while not discarded:
            await asyncio.sleep(0.001)
        assert discarded == ["late"] and freed == [True]

    run(outer())


def test_a_token_outlives_who_waits():
    freed_while_used = []
    with Token() as token:
        with token._handle.use():
            token.__exit__()
            token.fire()  # closed: it does nothing
            freed_while_used.append(token._handle.closed)
    assert freed_while_used == [True]


def test_fork():
    """A child neither uses nor frees what its parent made, can make its own, and ends."""
    assert output_of("""
        import os, sys, warren
        from warren.primitives import *
        initialize_observability("parent")
        mine = TimeoutPrimitive(lambda value: value, 60)
        mine.execute_sync(1)  # its thread runs now
        child = os.fork()
        if child == 0:
            try:
                mine.execute_sync(2)
            except warren.FailedPreconditionError as error:
                print(error, flush=True)
            print((TimeoutPrimitive(lambda value: value + 1, 60) >> (lambda value: value * 2)).execute_sync(3), flush=True)
            del mine
            sys.exit(7)  # with all finalizers
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), mine.execute_sync(4))
    """) == "it was made before os.fork(), by the parent: make another one\n8\n7 4\n"


def test_multiprocessing():
    assert output_of("""
        import multiprocessing
        from warren.primitives import *
        chain = TimeoutPrimitive(lambda value: value, 60)
        chain.execute_sync(1)
        def work(number):
            return (TimeoutPrimitive(lambda value: value * value, 60) >> (lambda value: value + 1)).execute_sync(number)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(work, range(4)))
        print(chain.execute_sync(5))
    """) == "[1, 2, 5, 10]\n5\n"


def test_exit_while_it_executes():
    """The main thread ends while threads of C are inside a step of Python, and wait for one."""
    assert output_of("""
        import asyncio, threading
        from warren.primitives import *
        begun = threading.Event()
        async def hang(value):
            begun.set()
            await asyncio.sleep(3600)
        def execute():
            (TimeoutPrimitive(hang, 100) | CachePrimitive(hang) | (lambda value: value)).execute_sync({})
        threading.Thread(target=execute, daemon=True).start()
        begun.wait()
        print("end", flush=True)
    """) == "end\n"


def test_ctrl_c_twice():
    """The second one ends the waiting for a call that looks at its token late; nothing is freed under it."""
    running = program("""
        import sys, threading, warren
        from warren._calls import blocking
        go_on, done = threading.Event(), threading.Event()
        def stubborn(token):
            print("begun", flush=True)
            while not warren._lib.wr_cancel_fired(token._wait.cancel):
                pass
            print("canceled", flush=True)
            go_on.wait()
            print("fired", warren._lib.wr_cancel_fired(token._wait.cancel), flush=True)
            done.set()
        try:
            blocking(stubborn)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        go_on.set()
        done.wait()
    """)
    for line in ("begun\n", "canceled\n"):
        assert running.stdout.readline() == line
        running.send_signal(signal.SIGINT)
    assert running.communicate(timeout=20)[0] == "interrupted\nfired True\n" and running.returncode == 0


def test_system_exit_in_a_step():
    """It ends the program, as anywhere else in asyncio; the threads of C are told."""
    running = program("""
        import sys
        from warren.primitives import *
        def leave(value):
            sys.exit(5)
        FallbackPrimitive(LambdaPrimitive(lambda value: value) >> leave, leave).execute_sync(1)
    """)
    running.communicate(timeout=20)
    assert running.returncode == 5


def test_two_loops_in_two_threads():
    """One primitive, one context for both."""
    chain, context, results = FallbackPrimitive(Add() >> Add(), Add()), WorkflowContext(), []

    def execute():
        results.extend(asyncio.run(many()))

    async def many():
        return await asyncio.gather(*[chain.execute({"n": n}, context) for n in range(20)])

    threads = [threading.Thread(target=execute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(one["n"] for one in results) == sorted(list(range(2, 22)) * 4)
