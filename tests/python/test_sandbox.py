"""Sandbox and AsyncSandbox against a real service."""

import asyncio
import time
import uuid

import pytest
import warren
from warren import AsyncSandbox, Client, Sandbox
from warren.errors import NotFoundError

pytestmark = pytest.mark.usefixtures("endpoint")


@pytest.fixture(scope="module")
def sandbox(endpoint):
    with Sandbox.create(timeout=300, metadata={"test": "python"}, envs={"FROM_CREATE": "yes"}) as made:
        yield made


def test_code(sandbox):
    heard = []
    found = sandbox.run_code("x = 6\nprint('a')\nx * 7", on_stdout=heard.append, on_result=heard.append)
    assert found.stdout == "a\n" and found.text == "42" and found.error is None and found.execution_count >= 1
    assert "a\n" in heard and any(isinstance(one, dict) for one in heard)
    assert sandbox.run_code("print(x)").stdout == "6\n"
    error = sandbox.run_code("1/0").error
    assert error.name == "ZeroDivisionError" and str(error) == "ZeroDivisionError: division by zero" and "Traceback" in error.traceback
    assert sandbox.run_code("import os; print(os.environ['ONE'])", envs={"ONE": "1"}).stdout == "1\n"


def test_a_listener_that_fails(sandbox):
    def broken(text):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        sandbox.run_code("print(1)", on_stdout=broken)
    assert sandbox.run_code("print(1)").stdout == "1\n"


def test_code_timeout(sandbox):
    with pytest.raises(TimeoutError):
        sandbox.run_code("while True: pass", timeout=0.5)
    assert sandbox.run_code("print('alive')").stdout == "alive\n"


def test_contexts(sandbox):
    context = sandbox.create_context(cwd="/tmp")
    assert sandbox.run_code("import os; y = 1; print(os.getcwd())", context=context).stdout == "/tmp\n"
    assert sandbox.run_code("'y' in dir()").text == "False"
    assert context in [one["id"] for one in sandbox.list_contexts()]
    sandbox.restart_context(context)
    assert sandbox.run_code("'y' in dir()", context=context).text == "False"
    sandbox.remove_context(context)
    with pytest.raises(NotFoundError):
        sandbox.run_code("1", context=context)


def test_commands(sandbox):
    heard = []
    found = sandbox.commands.run("echo out; echo err >&2; exit 3", on_stdout=heard.append)
    assert (found.exit_code, found.stdout, found.stderr, heard) == (3, "out\n", "err\n", ["out\n"])
    assert sandbox.commands.run(["printf", "%s", "a b;c"]).stdout == "a b;c"
    assert sandbox.commands.run("cat", stdin="given").stdout == "given"
    assert sandbox.commands.run("echo $X $FROM_CREATE; pwd", envs={"X": "1"}, cwd="/tmp").stdout == "1 yes\n/tmp\n"
    assert sandbox.commands.run("id -un", user="root").stdout == "root\n"
    with pytest.raises(TimeoutError):
        sandbox.commands.run("sleep 100", timeout=0.3)
    with pytest.raises(KeyError):
        sandbox.commands.run("echo a", on_stdout=lambda text: {}[text])
    assert isinstance(sandbox.commands.list(), list)


def test_files(sandbox):
    sandbox.files.write("a/b.txt", "text ü\n")
    assert sandbox.files.read("a/b.txt") == "text ü\n"
    sandbox.files.write_all({"a/c": bytes(range(256)), "a/empty": b""})
    assert sandbox.files.read_bytes("a/c") == bytes(range(256)) and sandbox.files.read_bytes("a/empty") == b""
    assert {entry["name"] for entry in sandbox.files.list("a")} == {"b.txt", "c", "empty"}
    assert sandbox.files.stat("a/c")["name"] == "c" and sandbox.files.exists("a/c") and not sandbox.files.exists("a/d")
    sandbox.files.make_dir("d")
    sandbox.files.rename("a/c", "d/e")
    assert sandbox.files.exists("d/e")
    sandbox.files.remove("d")
    with pytest.raises(NotFoundError):
        sandbox.files.read("d/e")


def test_its_life(sandbox):
    assert sandbox.info()["sandboxID"] == sandbox.sandbox_id and sandbox.sandbox_id in repr(sandbox)
    sandbox.set_timeout(200)
    again = Sandbox.connect(sandbox.sandbox_id)
    assert again.run_code("print('FROM_CREATE' in __import__('os').environ)").stdout == "True\n"
    assert isinstance(sandbox.metrics(), list)
    assert sandbox.sandbox_id in [one["sandboxID"] for one in Client().sandboxes_sync({"test": "python"})]
    assert Client().sandboxes_sync({"test": "another"}) == []
    Client().check_sync()


def test_kill():
    made = Sandbox.create()
    made.kill()
    made.kill()
    with pytest.raises(warren.WarrenError):
        made.run_code("1")


def test_unknown(tmp_path):
    with pytest.raises(NotFoundError):
        Sandbox.create(template="no-such-template")
    with pytest.raises(NotFoundError):
        Sandbox.connect("i" * 20)
    with pytest.raises(TypeError):
        Sandbox.create(temperature=3)
    with pytest.raises(ValueError):
        Sandbox.create(envs={"A=B": "c"})
    with pytest.raises(ValueError):
        Client(backend="docker")


def test_async(run):
    async def one():
        heard = []
        async with await AsyncSandbox.create() as made:
            await made.files.write("a.txt", "text")
            assert await made.files.read("a.txt") == "text" and not await made.files.exists("b.txt")
            found = await made.run_code("print(open('a.txt').read())", on_stdout=heard.append)
            assert found.stdout == "text\n" and heard == ["text\n"]
            assert (await made.commands.run("cat", stdin=b"in", on_stdout=heard.append)).stdout == "in" and heard[-1] == "in"
            assert [one for one in await made.list_contexts() if one["language"] == "python"]
            await made.set_timeout(100)
            return (await made.info())["sandboxID"]

    async def both():
        return await asyncio.gather(one(), one())

    ids = run(both())
    assert len(set(ids)) == 2
    assert not set(ids) & {entry["sandboxID"] for entry in run(Client().sandboxes())}


def test_cancelled(run):
    mine = {"cancelled": uuid.uuid4().hex}

    async def outer():
        async with await AsyncSandbox.create(metadata=mine) as made:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(made.run_code("import time; time.sleep(600)"), 0.5)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(made.commands.run("sleep 600", timeout=900), 0.3)
            assert (await made.run_code("1 + 1")).text == "2"
        task = asyncio.ensure_future(AsyncSandbox.create(metadata=mine))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # One that was being made goes as soon as it is made.
        end = time.monotonic() + 30
        while await Client().sandboxes(mine) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        assert await Client().sandboxes(mine) == []

    run(outer())
