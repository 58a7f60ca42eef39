"""Terminals: size, input, environment, user, resizing, attaching, ending."""

import e2b
import pytest

SIZE = e2b.PtySize(rows=30, cols=100)


@pytest.fixture
def terminal(sdk, sandbox):
    made = sdk.terminal(sandbox, SIZE)
    yield made
    sandbox.pty.kill(made.pid)


def type_in(sandbox, terminal, text):
    sandbox.pty.send_stdin(terminal.pid, text.encode())


def test_input_and_output(sandbox, terminal):
    type_in(sandbox, terminal, "echo $((40 + 2))-$TERM-$LANG\n")
    assert "42-xterm-256color-C.UTF-8" in terminal.wait("42-")


def test_it_is_a_terminal_of_the_right_size(sandbox, terminal):
    type_in(sandbox, terminal, "tty -s && echo is$((1))tty; stty size; tput cols\n")
    terminal.wait("is1tty")
    terminal.wait("30 100")


def test_resize(sandbox, terminal):
    sandbox.pty.resize(terminal.pid, e2b.PtySize(rows=11, cols=77))
    type_in(sandbox, terminal, "echo size:$(tput cols)x$(tput lines)\n")
    terminal.wait("size:77x11")


def test_ctrl_c(sandbox, terminal, until):
    type_in(sandbox, terminal, "sleep 613; echo after$((1))\n")
    # Before that the signal would be the shell's.
    until(lambda: sandbox.commands.run("pgrep -f '^sleep 613$' || true").stdout, "the program runs")
    type_in(sandbox, terminal, "\x03")
    type_in(sandbox, terminal, "echo back$((2))\n")
    terminal.wait("back2")
    assert "after1" not in terminal.output.decode()


def test_user_directory_and_environment(sdk, sandbox):
    made = sdk.terminal(sandbox, SIZE, user="root", cwd="/etc", envs={"MARK": "seen", "TERM": "dumb"})
    type_in(sandbox, made, "echo $(id -un):$PWD:$MARK:$TERM\n")
    made.wait("root:/etc:seen:dumb")
    sandbox.pty.kill(made.pid)


def test_exit_ends_it(sandbox, terminal, until):
    type_in(sandbox, terminal, "exit\n")
    until(lambda: terminal.pid not in [one.pid for one in sandbox.commands.list()], "the shell ended")


def test_kill(sdk, sandbox, until):
    made = sdk.terminal(sandbox, SIZE)
    assert sandbox.pty.kill(made.pid) is True
    until(lambda: sandbox.pty.kill(made.pid) is False, "it is known to be gone")


def test_attach_a_second_viewer(sdk, sandbox, terminal):
    second = sdk.attach(sandbox, terminal.pid)
    assert second.pid == terminal.pid
    type_in(sandbox, terminal, "echo both$((3))\n")
    terminal.wait("both3")
    second.wait("both3")


def test_it_is_listed(sandbox, terminal):
    found = [one for one in sandbox.commands.list() if one.pid == terminal.pid]
    assert found and found[0].cmd == "/bin/bash" and found[0].args == ["-i", "-l"]


def test_terminals_that_are_not_there(sdk, sandbox):
    with pytest.raises(e2b.NotFoundException):
        sandbox.pty.send_stdin(999999, b"x")
    with pytest.raises(e2b.NotFoundException):
        sandbox.pty.resize(999999, SIZE)
    with pytest.raises(e2b.NotFoundException):
        sdk.attach(sandbox, 999999)


def test_a_command_is_no_terminal(sandbox):
    handle = sandbox.commands.run("sleep 600", background=True, stdin=True)
    with pytest.raises(e2b.SandboxException):
        sandbox.pty.send_stdin(handle.pid, b"x")
    with pytest.raises(e2b.SandboxException, match="(?i)tty"):
        sandbox.pty.resize(handle.pid, SIZE)
    handle.kill()


def test_much_output_on_a_terminal(sandbox, terminal):
    type_in(sandbox, terminal, "seq 1 50000; echo end$((4))\n")
    assert "\r\n49999\r\n50000\r\n" in terminal.wait("end4")
