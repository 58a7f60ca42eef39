"""The prompt on a real interpreter in a sandbox, typed to in a terminal."""

import subprocess

import warren
from terminal import Terminal


def prompt(server, tmp_path, *arguments):
    env = {**server.environment(), "TERM": "xterm", "HOME": str(tmp_path), "XDG_STATE_HOME": ""}
    return Terminal([warren.binary(), "repl", *arguments], env)


def script(server, text, *arguments):
    done = subprocess.run([warren.binary(), "repl", *arguments], env=server.environment(), input=text, capture_output=True, text=True,
                          timeout=60)
    return warren.Result(done.returncode, done.stdout, done.stderr)


def test_a_conversation(server, tmp_path):
    before = {entry["sandboxID"] for entry in server.list()}
    with prompt(server, tmp_path) as terminal:
        terminal.expect(">>> ")
        terminal.line("def double(x):")
        terminal.line("    return 2 * x")
        terminal.line("")
        terminal.line("double(21)")
        terminal.expect("\r\n42\r\n")
        terminal.line("import time; print('asleep'); time.sleep(600)")
        terminal.expect("\r\nasleep\r\n")
        terminal.send("\x03")
        terminal.expect("interrupted")
        terminal.line("double(4)")
        terminal.expect("\r\n8\r\n")
        terminal.line("nothing")
        terminal.expect("NameError")
        terminal.line("%time 1")
        terminal.expect("Wall time")
        terminal.line(":restart")
        terminal.expect("a new interpreter")
        terminal.line("double(5)")
        terminal.expect("NameError")
        terminal.expect(">>> ")
        terminal.send("\x04")
        assert terminal.finish() == 0
    assert {entry["sandboxID"] for entry in server.list()} == before


def test_scripts_of_each_language(server):
    assert script(server, "x = 6\nfor i in range(2):\n    print(i)\nx * 7\n") == (0, "0\n1\n42\n", "")
    assert script(server, "let x = 6\nfunction f(y) {\n  return x * y\n}\nf(7)\n", "-l", "js") == (0, "42\n", "")
    assert script(server, "const x: number = 6\nx * 7\n", "-l", "ts") == (0, "42\n", "")
    assert script(server, "for i in 1 2; do\n  echo $i\ndone\ncd /tmp\npwd\n", "-l", "bash") == (0, "1\n2\n/tmp\n", "")
    done = script(server, "1/0\nprint('never')\n")
    assert (done.code, done.out) == (1, "") and "ZeroDivisionError" in done.err


def test_going_on_where_a_notebook_ended(server, tmp_path):
    path = tmp_path / "program.py"
    path.write_text("# %%\nx = 41\n")
    done = server.cli("run", "--cells", "--keep", str(path))
    assert done.code == 0 and done.out == "[1]\n"
    kept = done.err.strip()
    assert script(server, "x + 1\ny = 1\n", kept) == (0, "42\n", "")
    assert script(server, "y\n", kept) == (0, "1\n", "")
    done = script(server, "y\n", "--new", kept)
    assert done.code == 1 and "NameError" in done.err
    assert server.cli("kill", kept).code == 0


def test_a_sandbox_with_tokens(server):
    made = server.request("POST", "/v2/sandboxes", {"templateID": "base", "network": {"allowPublicTraffic": False}}, 201)
    try:
        assert made["envdAccessToken"] and made["trafficAccessToken"]
        assert script(server, "6 * 7\n", made["sandboxID"]) == (0, "42\n", "")
    finally:
        server.request("DELETE", f"/sandboxes/{made['sandboxID']}")


def test_a_named_sandbox_keeps_its_deadline(server):
    made = server.create(timeout=3000)
    before = server.request("GET", f"/sandboxes/{made.id}")["endAt"]
    assert script(server, "1\n", made.id).code == 0
    assert server.request("GET", f"/sandboxes/{made.id}")["endAt"] == before
    made.kill()


def test_a_sandbox_that_is_not_there(server):
    done = script(server, "1\n", "a1" * 10)
    assert done.code not in (0, 1) and "a1" * 10 in done.err
