"""What every release of the Python SDK has to be able to do; runs in an environment with nothing but that release."""

import asyncio
import importlib.metadata
import os

from e2b import AsyncSandbox, CommandExitException, Sandbox, SandboxQuery, Volume


def sync():
    sandbox = Sandbox.create(timeout=120, metadata={"smoke": "yes"}, envs={"A": "b"})
    try:
        assert sandbox.commands.run("echo $A", user="root").stdout == "b\n"
        try:
            sandbox.commands.run("exit 3")
            raise AssertionError("the exit status was lost")
        except CommandExitException as error:
            assert error.exit_code == 3
        sandbox.files.write("dir/file", b"\x00\xff")
        assert bytes(sandbox.files.read("dir/file", format="bytes")) == b"\x00\xff"
        assert [entry.name for entry in sandbox.files.list("dir")] == ["file"]
        assert sandbox.files.exists("dir/file") and not sandbox.files.exists("dir/nothing")
        sandbox.files.rename("dir/file", "dir/moved")
        watch = sandbox.files.watch_dir("dir")
        sandbox.files.write("dir/seen", "x")
        assert len(watch.get_new_events()) == 3
        watch.stop()
        handle = sandbox.commands.run("cat", background=True, stdin=True)
        sandbox.commands.send_stdin(handle.pid, "line\n")
        for out, _, _ in handle:
            assert out == "line\n"
            break
        assert sandbox.commands.kill(handle.pid)
        sandbox.set_timeout(60)
        assert sandbox.get_info().metadata == {"smoke": "yes"}
        paginator = Sandbox.list(query=SandboxQuery(metadata={"smoke": "yes"}))
        assert sandbox.sandbox_id in [one.sandbox_id for one in paginator.next_items()]
        assert Sandbox.connect(sandbox.sandbox_id).is_running()
    finally:
        assert sandbox.kill()
    assert not sandbox.is_running()


def volumes():
    volume = Volume.create(f"smoke-{os.getpid()}")
    try:
        volume.write_file("/file", "from outside")
        sandbox = Sandbox.create(timeout=120, volume_mounts={"/data": volume})
        try:
            assert sandbox.commands.run("cat /data/file").stdout == "from outside"
            sandbox.files.write("/data/back", "from inside")
        finally:
            sandbox.kill()
        assert volume.read_file("/back") == "from inside"
        assert sorted(entry.name for entry in volume.list("/")) == ["back", "file"]
    finally:
        assert Volume.destroy(volume.volume_id)


async def asynchronous():
    sandbox = await AsyncSandbox.create(timeout=120)
    try:
        results = await asyncio.gather(*[sandbox.commands.run(f"echo {number}") for number in range(5)])
        assert [one.stdout for one in results] == [f"{number}\n" for number in range(5)]
        await sandbox.files.write("file", "text")
        assert await sandbox.files.read("file") == "text"
    finally:
        await sandbox.kill()


sync()
volumes()
asyncio.run(asynchronous())
print("smoke passed", importlib.metadata.version("e2b"), flush=True)
# The HTTP library of some releases (pyqwest 0.10) can crash the interpreter while it ends.
os._exit(0)
