"""Pausing through the API on a server of its own: what its end, its start and its settings do to sandboxes."""

import concurrent.futures
import contextlib
import os
import pathlib
import signal

import interpreter
import pytest
import spare_data
import warren
from test_pause_cells import WAIT, begin, outcome, rest

BOOT_ID = "/proc/sys/kernel/random/boot_id"


@pytest.fixture(scope="module")
def own():
    with spare_data.borrowed() as data:
        running = warren.Server(data, arguments=["--at-end", "hibernate", "--hibernate-after", "1s"]).start()
        yield running
        running.shut_down()


@pytest.fixture
def made(own):
    """Makes sandboxes that end with the test: made("timeout": ...) -> Sandbox."""
    ids = []

    def make(**body):
        answer = own.request("POST", "/v2/sandboxes", {"templateID": warren.TEMPLATE, "timeout": 300, **body}, expect=201)
        ids.append(answer["sandboxID"])
        return warren.Sandbox(own, answer)

    yield make
    for one in ids:
        own.request("DELETE", f"/sandboxes/{one}", expect=(204, 404))


def state(sandbox):
    return sandbox.detail()["state"]


def test_concurrent_pauses_and_connects(own, made):
    sandbox = made()
    interpreter.execute(sandbox, "x = 41")

    def post(what, body):
        return own.raw("POST", f"/sandboxes/{sandbox.id}/{what}", body, 120)[0]

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        assert list(pool.map(lambda _: post("pause", "{}"), range(5))) == [204] * 5
        assert sandbox.detail()["pause"]["level"] == "hibernated", sandbox.detail()
        assert post("pause", "{}") == 409
        statuses = list(pool.map(lambda _: post("connect", '{"timeout": 300}'), range(5)))
    assert set(statuses) <= {200, 201} and 201 in statuses
    assert interpreter.execute(sandbox, "x + 1").text == "42"


def test_the_end_of_the_server_interrupts_no_cell_of_paused_ones(own, made):
    first, second = made(), made()
    stream = begin(first, WAIT)
    first.pause(level="frozen")
    own.kill9()
    stream.close()
    own.start()
    stream = begin(second, WAIT)
    own.terminate()
    own.host.wait_engine_gone()
    assert not rest(stream)[1]
    own.start()
    for sandbox in (first, second):
        sandbox.resume()
        assert outcome(sandbox) == "('over', [])"


def test_sigterm_hibernates_and_the_start_resumes(own, made):
    running, sleeping = made(), made()
    interpreter.execute(running, "x = 41")
    first = running.check(f"cat {BOOT_ID}")
    sleeping.pause()
    own.terminate()
    own.host.wait_engine_gone()
    left = own.host.members(running.id)
    own.start()
    assert not left, "it is not in memory between the two servers"
    warren.wait_for(lambda: state(running) == "running", 60, "what ran is resumed")
    assert state(sleeping) == "paused"
    assert interpreter.execute(running, "x + 1").text == "42"
    assert running.check(f"cat {BOOT_ID}") == first


def end_by_sigterm(own):
    own.terminate()
    own.host.wait_engine_gone()


def cut_off(own):
    """Nothing has time to say goodbye."""
    for pid in {own.process.pid, *own.host.engine_pids(), *own.host.processes()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    own.process.wait(30)
    own.host.wait_engine_gone()
    warren.wait_for(lambda: not own.host.processes(), 30, "everything is gone")


@pytest.fixture
def keeping(own):
    """SIGTERM lets sandboxes live on."""
    own.terminate()
    own.start("--at-end", "keep")
    yield own
    own.terminate()
    own.start()


@pytest.mark.parametrize("end", [end_by_sigterm, cut_off])
def test_what_ran_before_the_host_went_down_goes_on_once(keeping, made, end):
    running, frozen, sleeping = made(), made(), made()
    interpreter.execute(running, "x = 41")
    first = running.check(f"cat {BOOT_ID}")
    frozen.pause(level="frozen")
    sleeping.pause()
    done = keeping.cli("hibernate", "--all", timeout=120)
    assert (done.code, done.out, done.err) == (0, "2 hibernated\n", "")
    end(keeping)
    keeping.start("--at-end", "keep")
    warren.wait_for(lambda: state(running) == "running", 60, "what ran is resumed")
    assert (state(frozen), state(sleeping)) == ("paused", "paused")
    assert interpreter.execute(running, "x + 1").text == "42"
    assert running.check(f"cat {BOOT_ID}") == first

    running.pause()
    end(keeping)
    keeping.start("--at-end", "keep")
    # What the start would resume is before that in turn.
    sleeping.resume()
    assert (state(running), state(frozen)) == ("paused", "paused")
    assert "was not resumed" not in keeping.full_log()


def test_a_server_that_is_killed_loses_nobody(own, made):
    running, sleeping = made(), made()
    interpreter.execute(sleeping, "x = 41")
    sleeping.pause()
    own.kill9()
    own.start()
    assert state(running) == "running" and state(sleeping) == "paused"
    sleeping.resume()
    assert interpreter.execute(sleeping, "x + 1").text == "42"


def test_a_frozen_one_goes_to_disk_after_a_while(made):
    sandbox = made()
    interpreter.execute(sandbox, "x = 41")
    sandbox.pause(level="frozen")
    assert sandbox.detail()["pause"]["level"] == "frozen"
    warren.wait_for(lambda: sandbox.detail()["pause"]["level"] == "hibernated", 60, "it is on the disk")
    sandbox.resume()
    assert interpreter.execute(sandbox, "x + 1").text == "42"


def test_without_memory_it_boots_with_its_environment(made):
    sandbox = made(envVars={"COLOUR": "green"})
    first = sandbox.check(f"echo kept >/home/user/note; cat {BOOT_ID}")
    sandbox.pause(memory=False)
    assert sandbox.detail()["pauseMode"] == "filesystem"
    sandbox.resume()
    assert sandbox.check("cat /home/user/note; echo $COLOUR") == "kept\ngreen\n"
    assert sandbox.check(f"cat {BOOT_ID}") != first


def test_traffic_wakes_it(made):
    sandbox = made(timeout=60, autoPause=True, autoResume={"enabled": True})
    interpreter.execute(sandbox, "x = 41")
    sandbox.server.request("POST", f"/sandboxes/{sandbox.id}/timeout", {"timeout": 0})
    assert state(sandbox) == "paused"
    assert interpreter.execute(sandbox, "x + 1").text == "42"
    assert state(sandbox) == "running"


def test_what_is_not_paged_out_goes_to_the_disk(own, made):
    """With swap it is in swap first, without it stays in memory and says why: neither keeps it there."""
    sandbox = made()
    interpreter.execute(sandbox, "x = 41")
    sandbox.pause(level="paged")
    paused = sandbox.detail()["pause"]
    swap = len(pathlib.Path("/proc/swaps").read_text(encoding="ascii").splitlines()) > 1
    assert paused["level"] == "hibernated" or (paused["level"] == "paged" if swap else "no swap" in paused["reason"])
    warren.wait_for(lambda: sandbox.detail()["pause"]["level"] == "hibernated", 20, "it is written to the disk")
    sandbox.resume()
    assert interpreter.execute(sandbox, "x + 1").text == "42"
