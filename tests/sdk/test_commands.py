"""Commands: foreground, background, connect, stdin, kill, environment, directory, user, limits of time, much output."""

import threading

import e2b
import pytest

from raw import http


def test_run(sandbox):
    result = sandbox.commands.run("echo out; echo err >&2")
    assert (result.exit_code, result.stdout, result.stderr, result.error) == (0, "out\n", "err\n", None)


def test_exit_status_raises(sandbox):
    with pytest.raises(e2b.CommandExitException) as caught:
        sandbox.commands.run("echo partly; echo why >&2; exit 42")
    assert (caught.value.exit_code, caught.value.stdout, caught.value.stderr) == (42, "partly\n", "why\n")


def test_unknown_program(sandbox):
    with pytest.raises(e2b.CommandExitException) as caught:
        sandbox.commands.run("no-such-program-here")
    assert caught.value.exit_code == 127


def test_callbacks_see_everything_in_order(sandbox):
    out, err = [], []
    sandbox.commands.run("for i in 1 2 3; do echo $i; echo e$i >&2; done", on_stdout=out.append, on_stderr=err.append)
    assert "".join(out) == "1\n2\n3\n" and "".join(err) == "e1\ne2\ne3\n"


def test_output_comes_while_the_command_runs(sandbox):
    seen = threading.Event()
    done = []

    def on_stdout(text):
        seen.set()

    def run():
        sandbox.commands.run("echo now; while [ ! -e /tmp/go-on ]; do sleep 0.01; done", on_stdout=on_stdout)
        done.append(True)

    sandbox.files.remove("/tmp/go-on")
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert seen.wait(60), "no output although the command has written some"
    assert not done
    sandbox.files.write("/tmp/go-on", "")
    thread.join(60)
    assert done


def test_environment_of_a_command(sandbox):
    result = sandbox.commands.run('echo "$NAME|$QUOTED|$HOME|$USER"', envs={"NAME": "x y", "QUOTED": "a'b\"c\n$d"})
    assert result.stdout == "x y|a'b\"c\n$d|/home/user|user\n"
    assert sandbox.commands.run('echo "[$NAME]"').stdout == "[]\n"


def test_command_environment_wins_over_the_sandbox(make):
    sandbox = make(timeout=60, envs={"A": "sandbox", "B": "sandbox"})
    assert sandbox.commands.run("echo $A $B", envs={"B": "command"}).stdout == "sandbox command\n"


def test_directory(sandbox, folder):
    assert sandbox.commands.run("pwd").stdout == "/home/user\n"
    assert sandbox.commands.run("pwd", cwd=folder).stdout == f"{folder}\n"
    assert sandbox.commands.run("pwd", cwd="/tmp").stdout == "/tmp\n"
    assert sandbox.commands.run("pwd", cwd=folder.rsplit("/", 1)[1]).stdout == f"{folder}\n"


def test_missing_directory(sandbox):
    with pytest.raises(e2b.InvalidArgumentException, match="/no/such/place"):
        sandbox.commands.run("pwd", cwd="/no/such/place")


def test_users(sandbox):
    assert sandbox.commands.run("id -un").stdout == "user\n"
    assert sandbox.commands.run("id -un; pwd", user="root").stdout == "root\n/root\n"
    assert sandbox.commands.run("sudo -n id -un").stdout == "root\n"
    with pytest.raises(e2b.AuthenticationException, match="nobody-here"):
        sandbox.commands.run("true", user="nobody-here")


def test_time_limit(sandbox, until):
    with pytest.raises(e2b.TimeoutException, match="timeout"):
        sandbox.commands.run("sleep 600 & echo $! > /tmp/limited; wait", timeout=1)
    # The time limit ends the command itself, not only the connection.
    until(lambda: not [one for one in sandbox.commands.list() if any("/tmp/limited" in word for word in one.args)],
          "the command has ended")


def test_no_time_limit(sandbox):
    assert sandbox.commands.run("sleep 0.2; echo done", timeout=0).stdout == "done\n"


def test_background_and_wait(sandbox):
    handle = sandbox.commands.run("sleep 0.2; echo later; exit 3", background=True)
    assert handle.pid > 1
    with pytest.raises(e2b.CommandExitException) as caught:
        handle.wait()
    assert (caught.value.exit_code, caught.value.stdout) == (3, "later\n")


def test_pid_is_that_of_the_sandbox(sandbox):
    handle = sandbox.commands.run("echo $$; sleep 600", background=True)
    sandbox.commands.run(f"kill -0 {handle.pid}")
    assert handle.kill()
    with pytest.raises(e2b.CommandExitException):
        handle.wait()
    with pytest.raises(e2b.CommandExitException):
        sandbox.commands.run(f"kill -0 {handle.pid}")


def test_list(sandbox, until):
    handle = sandbox.commands.run("sleep 600", background=True, envs={"MARK": "listed"}, cwd="/tmp")
    found = [one for one in sandbox.commands.list() if one.pid == handle.pid]
    assert len(found) == 1
    assert found[0].cmd == "/bin/bash" and found[0].args == ["-l", "-c", "sleep 600"]
    assert found[0].envs == {"MARK": "listed"} and found[0].cwd == "/tmp"
    handle.kill()
    until(lambda: not [one for one in sandbox.commands.list() if one.pid == handle.pid], "the command has ended")


def test_kill(sandbox):
    handle = sandbox.commands.run("sleep 600", background=True)
    assert handle.kill() is True
    with pytest.raises(e2b.CommandExitException) as caught:
        handle.wait()
    assert caught.value.exit_code == -1 and caught.value.error == "signal: killed"
    assert sandbox.commands.kill(handle.pid) is False
    assert sandbox.commands.kill(999999) is False


def test_kill_does_not_wait_for_grandchildren(sandbox):
    handle = sandbox.commands.run("sleep 600 & sleep 600", background=True)
    assert handle.kill() is True
    with pytest.raises(e2b.CommandExitException):
        handle.wait()


def test_connect_sees_what_comes_from_now_on(sandbox):
    handle = sandbox.commands.run("while [ ! -e /tmp/say ]; do sleep 0.01; done; echo said; exit 5", background=True)
    second = sandbox.commands.connect(handle.pid)
    assert second.pid == handle.pid
    sandbox.files.write("/tmp/say", "")
    for one in (handle, second):
        with pytest.raises(e2b.CommandExitException) as caught:
            one.wait()
        assert (caught.value.exit_code, caught.value.stdout) == (5, "said\n")
    sandbox.files.remove("/tmp/say")


def test_connect_to_nothing(sandbox):
    with pytest.raises(e2b.NotFoundException):
        sandbox.commands.connect(999999)


def test_disconnect_leaves_it_running(sandbox, until):
    handle = sandbox.commands.run("sleep 1; echo still > /tmp/survivor; sleep 600", background=True)
    handle.disconnect()
    until(lambda: sandbox.files.exists("/tmp/survivor"), "the command went on")
    assert sandbox.commands.kill(handle.pid)


def test_stdin_is_empty_unless_asked_for(sandbox):
    with pytest.raises(e2b.CommandExitException) as caught:
        sandbox.commands.run("read line")
    assert caught.value.exit_code == 1


def test_stdin(sandbox):
    handle = sandbox.commands.run("cat", background=True, stdin=True)
    sandbox.commands.send_stdin(handle.pid, "one\n")
    sandbox.commands.send_stdin(handle.pid, "")
    sandbox.commands.send_stdin(handle.pid, "zwei ü €\n")
    sandbox.commands.close_stdin(handle.pid)
    assert handle.wait().stdout == "one\nzwei ü €\n"


def test_stdin_through_the_handle(sandbox):
    handle = sandbox.commands.run("wc -c", background=True, stdin=True)
    handle.send_stdin(b"\x00\xff" * 3)
    handle.close_stdin()
    assert handle.wait().stdout.strip() == "6"


def test_closing_stdin_twice(sandbox):
    handle = sandbox.commands.run("cat; sleep 600", background=True, stdin=True)
    handle.close_stdin()
    handle.close_stdin()
    with pytest.raises(e2b.SandboxException, match="stdin not enabled or closed"):
        handle.send_stdin("x")
    handle.kill()


def test_stream_of_input(sdk, sandbox):
    handle = sandbox.commands.run("sha256sum", background=True, stdin=True)
    chunks = [bytes([index % 256]) * 10000 for index in range(100)]
    sdk.stream_input(sandbox, handle.pid, chunks)
    sandbox.commands.close_stdin(handle.pid)
    import hashlib
    assert handle.wait().stdout.split()[0] == hashlib.sha256(b"".join(chunks)).hexdigest()


def test_stream_of_input_to_nothing(sdk, sandbox):
    with pytest.raises(e2b.NotFoundException):
        sdk.stream_input(sandbox, 999999, [b"lost"])


def test_input_to_nothing(sandbox):
    with pytest.raises(e2b.NotFoundException):
        sandbox.commands.send_stdin(999999, "lost")
    with pytest.raises(e2b.NotFoundException):
        sandbox.commands.close_stdin(999999)


def test_input_to_a_command_without_stdin(sandbox):
    handle = sandbox.commands.run("sleep 600", background=True)
    with pytest.raises(e2b.SandboxException, match="stdin not enabled or closed"):
        sandbox.commands.send_stdin(handle.pid, "x")
    handle.kill()


def test_much_output(sandbox):
    size = 16 * 1024 * 1024
    result = sandbox.commands.run(f"head -c {size} /dev/zero | tr '\\0' x; head -c {size // 4} /dev/zero | tr '\\0' y >&2")
    assert len(result.stdout) == size and set(result.stdout[:1000]) == {"x"}
    assert len(result.stderr) == size // 4


def test_many_lines_arrive_in_order(sandbox):
    assert sandbox.commands.run("seq 1 200000").stdout == "".join(f"{number}\n" for number in range(1, 200001))


def test_broken_utf8_is_replaced(sandbox):
    assert sandbox.commands.run(r"printf 'a\xff\xfeb'").stdout == "a��b"


def test_characters_split_between_writes_stay_whole(sandbox):
    assert sandbox.commands.run(r"printf '\xe2\x82'; sleep 0.1; printf '\xac'").stdout == "€"


def test_a_silent_command(sandbox):
    assert sandbox.commands.run("true").stdout == ""


def test_a_long_command_line(sandbox):
    text = "x" * 100000
    assert sandbox.commands.run(f"echo {text}").stdout == text + "\n"


def test_many_commands_at_once(served):
    import asyncio

    async def all_of_them():
        sandbox = await e2b.AsyncSandbox.create(timeout=120)
        try:
            results = await asyncio.gather(*[sandbox.commands.run(f"sleep 0.2; echo {number}") for number in range(40)])
            return [result.stdout for result in results]
        finally:
            await sandbox.kill()

    assert asyncio.run(all_of_them()) == [f"{number}\n" for number in range(40)]


def test_killed_during_run(make):
    sandbox = make(timeout=120)
    killer = threading.Thread(target=sandbox.kill)
    with pytest.raises(e2b.TimeoutException, match="killed or reached its end of life"):
        sandbox.commands.run("echo begun; sleep 600", on_stdout=lambda _: killer.start())
    killer.join()


def test_end_of_life_during_run(make):
    sandbox = make(timeout=120)
    handle = sandbox.commands.run("sleep 600", background=True)
    sandbox.set_timeout(1)
    with pytest.raises(e2b.TimeoutException, match="killed or reached its end of life"):
        handle.wait()


def test_request_of_another_token_is_refused(make, sdk, served):
    sandbox, other = make(timeout=60), make(timeout=60)
    url = f"https://{sandbox.get_host(49983)}/process.Process/List"
    token = getattr(other, "_inner", other)._envd_access_token
    for headers in ({}, {"X-Access-Token": "0" * 64}, {"X-Access-Token": token}):
        answer = http.post(url, json={}, headers=headers)
        assert answer.status_code == 401 and answer.json()["code"] == 401
