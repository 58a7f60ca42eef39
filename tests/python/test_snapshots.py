"""Pausing, snapshots and forks of Sandbox and AsyncSandbox against a real service."""

import contextlib

import pytest
from warren import AsyncSandbox, Client, Sandbox
from warren.errors import FailedPreconditionError, NotFoundError

pytestmark = pytest.mark.usefixtures("endpoint")


@pytest.fixture
def sandbox(endpoint):
    with Sandbox.create(timeout=300) as made:
        made.run_code("x = 20")
        yield made


def test_pause_and_resume(sandbox):
    assert sandbox.pause().get("level", "hibernated") == "hibernated"
    assert sandbox.info()["state"] == "paused"
    assert Sandbox.pause_id(sandbox.sandbox_id).get("level", "hibernated") == "hibernated"
    with pytest.raises(FailedPreconditionError):
        sandbox.run_code("x")
    sandbox.resume(timeout=100)
    assert sandbox.run_code("x + 1").text == "21"
    sandbox.pause(keep_memory=False)
    again = Sandbox.connect(sandbox.sandbox_id)
    assert again.run_code("'x' in dir()").text == "False"


@pytest.mark.parametrize("wrong", [lambda one: one.pause(level="deep"), lambda one: one.fork(0), lambda one: one.fork(101),
                                   lambda one: one.resume(timeout=0), lambda one: one.snapshot("a b")])
def test_wrong_arguments(sandbox, wrong):
    with pytest.raises(ValueError):
        wrong(sandbox)


def test_snapshots(sandbox):
    client = Client()
    made = sandbox.snapshot()
    snapshot_id = made["snapshotID"]
    try:
        assert [one["snapshotID"] for one in client.snapshots_sync(sandbox.sandbox_id)] == [snapshot_id]
        sandbox.run_code("x = 0")
        with Sandbox.create(snapshot_id) as other:
            assert other.run_code("x").text == "20" and sandbox.run_code("x").text == "0"
    finally:
        client.delete_snapshot_sync(snapshot_id)
    client.delete_snapshot_sync(snapshot_id)
    assert client.snapshots_sync(sandbox.sandbox_id) == []


def test_rollback_and_tree(sandbox, service):
    client = Client()
    snapshot_id = sandbox.snapshot("python-test:v1")["snapshotID"]
    try:
        sandbox.run_code("x = 0")
        sandbox.rollback(snapshot_id)
        assert sandbox.run_code("x").text == "20"
        assert [one["snapshotID"] for one in client.snapshots_sync(name="python-test")] == [snapshot_id]
        assert {node["id"] for node in client.snapshot_tree_sync(sandbox.sandbox_id)} == {sandbox.sandbox_id, snapshot_id}
    finally:
        client.delete_snapshot_sync(snapshot_id)
    with pytest.raises(NotFoundError):
        sandbox.rollback(snapshot_id)


def test_forks(sandbox):
    with contextlib.ExitStack() as stack:
        forks = [stack.enter_context(one) for one in sandbox.fork(2, timeout=100)]
        assert len({one.sandbox_id for one in forks} | {sandbox.sandbox_id}) == 3
        forks[0].run_code("x = 1")
        assert [one.run_code("x").text for one in (*forks, sandbox)] == ["1", "20", "20"]


def test_from_coroutines(run):
    async def outer():
        client = Client()
        async with await AsyncSandbox.create(timeout=300) as sandbox:
            await sandbox.run_code("y = 3")
            made = await sandbox.snapshot()
            (fork,) = await sandbox.fork()
            async with fork:
                assert (await fork.run_code("y")).text == "3"
            await sandbox.pause()
            await AsyncSandbox.pause_id(sandbox.sandbox_id)
            await sandbox.resume()
            assert (await sandbox.run_code("y")).text == "3"
            assert [one["snapshotID"] for one in await client.snapshots(sandbox.sandbox_id)] == [made["snapshotID"]]
            await client.delete_snapshot(made["snapshotID"])

    run(outer())
