"""Programs that are followed while they run, changes of files, volumes."""

import asyncio
import signal
import threading
import uuid

import pytest
import warren
from warren import AsyncSandbox, Client, CommandResult, Sandbox, errors

pytestmark = pytest.mark.usefixtures("endpoint")

ECHO = "while read line; do echo \"got $line\"; done; echo end >&2; exit 3"


@pytest.fixture(scope="module")
def sandbox(endpoint):
    with Sandbox.create(timeout=120) as made:
        yield made


def test_its_input_and_end(sandbox):
    heard, wrong = [], []
    with sandbox.commands.start(ECHO, keep_input=True, on_stdout=heard.append, on_stderr=wrong.append) as program:
        assert any(one["pid"] == program.pid for one in sandbox.commands.list())
        program.write("one\n")
        program.write(b"two\n")
        with pytest.raises(TimeoutError):
            program.wait(timeout=0.01)
        program.close_input()
        found = program.wait()
    assert isinstance(found, CommandResult) and found.exit_code == 3 and found.stdout == "got one\ngot two\n"
    assert "".join(heard) == found.stdout and wrong == ["end\n"]


def test_others_write_while_one_waits(sandbox):
    with sandbox.commands.start(ECHO, keep_input=True) as program:
        results = []
        waiter = threading.Thread(target=lambda: results.append(program.wait()))
        waiter.start()
        for number in range(5):
            program.write(f"{number}\n")
        program.close_input()
        waiter.join(20)
        assert results[0].stdout == "".join(f"got {number}\n" for number in range(5))


def test_signals(sandbox):
    with sandbox.commands.start(["sleep", "600"]) as program:
        program.send_signal(signal.SIGTERM)
        assert program.wait().signal == signal.SIGTERM
        program.kill()  # one that has ended is no error
    with sandbox.commands.start("sleep 601") as program:
        pid = program.pid
    assert not [one for one in sandbox.commands.list() if one["pid"] == pid], "leaving the block has killed it"


def test_its_own_time(sandbox):
    with sandbox.commands.start("sleep 600", timeout=0.3) as program:
        with pytest.raises(TimeoutError):
            program.wait()


def test_a_terminal(sandbox):
    heard = []
    with sandbox.commands.start(["bash", "--norc"], terminal=True, cols=70, rows=20, on_stdout=heard.append) as program:
        program.resize(91, 21)
        program.write("stty size; exit 4\n")
        assert program.wait().exit_code == 4
    assert "21 91" in "".join(heard)
    with sandbox.commands.start("cat", keep_input=True) as program, pytest.raises(errors.FailedPreconditionError):
        program.resize(1, 1)


def test_characters_in_two_pieces(sandbox):
    heard = []
    found = sandbox.commands.run(r"printf '\303'; sleep 0.2; printf '\244\n'; printf '\377'", on_stdout=heard.append)
    assert "".join(heard).startswith("ä\n") and found.stdout == "ä\n\ufffd"


def test_a_listener_that_fails(sandbox, run):
    def broken(text):
        raise KeyError("mine")

    async def outer():
        async with await AsyncSandbox.create() as made:
            for command in ("echo 1", "echo 1; sleep 600"):
                with pytest.raises(KeyError, match="mine"):
                    await made.commands.run(command + "; echo 2", on_stdout=broken, timeout=20 if "600" not in command else 1)
            async with await made.commands.start("echo 1", on_stdout=broken) as program:
                with pytest.raises(KeyError, match="mine"):
                    await program.wait()

    with sandbox.commands.start("echo 1; sleep 600", on_stdout=broken) as program:
        with pytest.raises(KeyError, match="mine"):
            program.wait()
    run(outer())


def test_async(run):
    async def outer():
        async with await AsyncSandbox.create() as made:
            heard = []
            async with await made.commands.start(ECHO, keep_input=True, on_stdout=heard.append) as program:
                waiter = asyncio.ensure_future(program.wait())
                await program.write("a\n")
                await program.close_input()
                assert (await waiter).exit_code == 3 and heard == ["got a\n"]
            async with await made.commands.start("sleep 600", terminal=True) as program:
                await program.resize(10, 10)
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(program.wait(), 0.2)
                assert [one for one in await made.commands.list() if one["pid"] == program.pid], "it goes on"
                await program.kill()
                assert (await program.wait()).signal == signal.SIGKILL

    run(outer())


def test_watch(sandbox):
    sandbox.files.make_dir("watched/sub")
    seen, begun = [], threading.Event()

    def change():
        while not begun.wait(0.05):
            sandbox.files.write("watched/sub/a.txt", "1")

    def heard(event):
        seen.append(event)
        begun.set()
        return event["type"] == "write"

    writer = threading.Thread(target=change)
    writer.start()
    sandbox.files.watch("watched", heard, recursive=True)
    writer.join()
    assert seen[-1]["name"] == "sub/a.txt" and {"name", "type"} <= set(seen[0])
    sandbox.files.watch("watched", heard, timeout=0.05)
    with pytest.raises(KeyError, match="mine"):
        begun.clear()
        writer = threading.Thread(target=change)
        writer.start()

        def broken(event):
            begun.set()
            raise KeyError("mine")

        try:
            sandbox.files.watch("watched", broken, recursive=True)
        finally:
            writer.join()
    with pytest.raises(errors.NotFoundError):
        sandbox.files.watch("not-there", heard)


def test_watch_async(run):
    async def outer():
        async with await AsyncSandbox.create() as made:
            await made.files.make_dir("watched")

            async def change():
                while True:
                    await made.files.write("watched/b.txt", "1")
                    await asyncio.sleep(0.05)

            changing = asyncio.ensure_future(change())
            async for event in made.files.watch("watched"):
                assert event["name"] == "b.txt"
                break
            changing.cancel()
            assert not [one async for one in made.files.watch("watched", timeout=0.05) if one["name"] != "b.txt"]
            with pytest.raises(errors.NotFoundError):
                async for event in made.files.watch("not-there"):
                    pass

    run(outer())


def test_volumes(endpoint, run):
    client, name = Client(), f"v-{uuid.uuid4().hex[:8]}"
    try:
        made = client.create_volume_sync(name, 32 << 20)
    except errors.UnsupportedError:
        pytest.skip("this server has no volumes")
    assert made["name"] == name and made["volumeID"] in [one["volumeID"] for one in client.volumes_sync()]
    with pytest.raises(warren.WarrenError, match="already exists"):
        client.create_volume_sync(name)
    with Sandbox.create(volumes=[f"{name}:/data"], client=client) as first:
        first.files.write("/data/a.txt", "kept")
        with pytest.raises(warren.WarrenError):
            client.remove_volume_sync(made["volumeID"])
    with Sandbox.create(volumes=[f"{name}:/data"], client=client) as second:
        assert second.files.read("/data/a.txt") == "kept"

    async def remove():
        await client.remove_volume(made["volumeID"])
        await client.remove_volume(made["volumeID"])
        return await client.volumes()

    assert name not in [one["name"] for one in run(remove())]
