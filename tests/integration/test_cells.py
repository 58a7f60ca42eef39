"""The command line against an interpreter that says exactly what a test tells it to: no sandbox, no root."""

import base64
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import zlib

import pytest

import warren
from fake_interpreter import FakeInterpreter
from terminal import Terminal

OUT = {"type": "stdout", "text": "out\n"}
ERR = {"type": "stderr", "text": "err\n"}
FAILURE = {"type": "error", "name": "ValueError", "value": "no", "traceback": "Traceback\nValueError: no"}


def result(main=True, **formats):
    return {"type": "result", "extra": {}, "is_main_result": main, **formats}


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG = base64.b64encode(png(40, 20)).decode()


@pytest.fixture
def fake():
    with FakeInterpreter() as made:
        yield made


@pytest.fixture
def notebook(tmp_path):
    """Writes a notebook of these cells (lists of steps, or (steps, tags)) -> its path."""
    def write(*cells, name="book.ipynb", **more):
        nodes = []
        for cell in cells:
            steps, tags = cell if isinstance(cell, tuple) else (cell, [])
            source = steps if isinstance(steps, str) else json.dumps(steps)
            nodes.append({"cell_type": "code", "source": source, "metadata": {"tags": tags}, "outputs": [], "execution_count": None})
        path = tmp_path / name
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": nodes, **more}))
        return path
    return write


def run(fake, *arguments, command="run", **options):
    done = subprocess.run([warren.binary(), command, *map(str, arguments)], env=fake.environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, **options)
    return warren.Result(done.returncode, done.stdout, done.stderr)


def in_terminal(fake, *arguments, pixels=(0, 0), **variables):
    quiet = {name: value for name, value in fake.environment.items() if name not in ("TMUX", "STY", "KITTY_WINDOW_ID")}
    return Terminal([warren.binary(), *map(str, arguments)], {**quiet, "TERM": "xterm", **variables}, pixels)


def outputs(path):
    return [cell["outputs"] for cell in json.loads(path.read_text())["cells"]]


# ---- order, errors, status ----


def test_cells_one_after_the_other(fake, notebook):
    done = run(fake, notebook([OUT, ERR], [result(text="42")], ""))
    assert done == (0, "[1]\nout\n[2]\n42\n[3]\n", "err\n")
    assert [cell["language"] for cell in fake.cells] == ["python", "python"]
    assert [path for verb, path in fake.seen if verb == "DELETE"] == ["/sandboxes/fakefakefakefake0001"]


def test_lines_that_a_cell_leaves_open(fake, notebook):
    done = run(fake, notebook([{"type": "stdout", "text": "a"}, result(text="b")], [{"type": "stderr", "text": "c"}], [OUT]))
    assert done == (0, "[1]\na\nb\n[2]\n[3]\nout\n", "c\n")


def test_the_first_error_ends_the_run(fake, notebook):
    done = run(fake, notebook([FAILURE], [OUT]))
    assert done == (1, "[1]\n", "Traceback\nValueError: no\n")
    assert len(fake.cells) == 1


def test_errors_that_do_not_end_it(fake, notebook):
    done = run(fake, notebook([FAILURE], [OUT]), "--keep-going")
    assert (done.code, done.out) == (1, "[1]\n[2]\nout\n")
    done = run(fake, notebook(([FAILURE], ["raises-exception"]), [OUT], ([FAILURE], ["skip-execution"])))
    assert (done.code, done.out) == (0, "[1]\n[2]\nout\n[3]\n")


def test_percent_cells(fake, tmp_path):
    path = tmp_path / "program.js"
    path.write_text('// %% First\n["not json\n// %%\n[]\n')
    assert run(fake, "--cells", path) == (0, '[1] First\n["not json\n[2]\n', "")
    assert [cell["language"] for cell in fake.cells] == ["javascript", "javascript"]


@pytest.mark.parametrize("alive, says", [(True, "ended without an end"), (False, "fakefakefakefake0001 ended while")])
def test_a_stream_that_is_cut(fake, notebook, alive, says):
    fake.alive = alive
    path = notebook([OUT], [OUT, "cut"], [OUT])
    done = run(fake, path, "--save")
    assert done.code not in (0, 1) and done.out == "[1]\nout\n[2]\nout\n", done
    assert says in done.err or (alive and "closed" in done.err), done.err
    assert [len(listed) for listed in outputs(path.with_name("book.executed.ipynb"))] == [1, 1, 0]


@pytest.mark.parametrize("answer, says", [([404, "Context c9 not found"], "Context c9 not found"),
                                          ([500, "no such language"], "no such language"),
                                          ([502, '{"message":"not open","port":49999,"code":502}'], "not open")])
def test_answers_that_are_errors(fake, notebook, answer, says):
    done = run(fake, notebook([answer]))
    assert done.code not in (0, 1) and says in done.err


@pytest.mark.parametrize("line", ["no json\n", "[]\n", "{}\n", '{"type":"stdout"}\n', '{"type":"error","name":"x"}\n',
                                  '{"type":"number_of_executions"}\n', '{"a":' * 100 + "\n"])
def test_messages_that_are_wrong(fake, notebook, line):
    done = run(fake, notebook([line, OUT]))
    assert done.code not in (0, 1) and "out" not in done.out and len(done.err.splitlines()) == 1


def test_messages_that_are_not_known_and_texts_of_any_kind(fake, notebook):
    done = run(fake, notebook([{"type": "keepalive"}, {"type": "new"}, {"type": "stdout", "text": "a\0b\u2028ü\n"},
                               result(text="x", json=[2 ** 70, 1e300])]))
    assert done == (0, "[1]\na\0b\u2028ü\nx\n", "")


# ---- interrupts ----


def start(fake, path, *arguments, **options):
    return subprocess.Popen([warren.binary(), "run", str(path), *arguments], env=fake.environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_the_cell(fake, notebook, signo):
    path = notebook([OUT, "hang"], [OUT])
    with start(fake, path, "--save") as process:
        assert process.stdout.readline() + process.stdout.readline() == "[1]\nout\n"
        process.send_signal(signo)
        assert process.wait(30) == 128 + signo
    warren.wait_for(lambda: fake.interrupted == 1, 30, "the connection is closed")
    assert fake.seen[-1][0] == "DELETE"
    assert [len(listed) for listed in outputs(path.with_name("book.executed.ipynb"))] == [1, 0]


def test_a_time_limit(fake, notebook):
    done = run(fake, notebook([OUT], ["hang"]), "--timeout", "3500ms")
    assert (done.code, done.out) == (124, "[1]\nout\n[2]\n") and "time limit of 3.5 s" in done.err


def test_a_reader_that_leaves(fake, notebook):
    done = subprocess.run(f"{warren.binary()} run {notebook(*[[OUT, 0.1]] * 200)} | head -n 2; exit ${{PIPESTATUS[0]}}",
                          shell=True, executable="/bin/bash", env=fake.environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (128 + signal.SIGPIPE, "[1]\nout\n")
    assert len(fake.cells) < 200 and fake.seen[-1][0] == "DELETE"


# ---- what is saved ----


def test_the_executed_notebook(fake, notebook):
    path = notebook([OUT, OUT, ERR, result(False, text="t", png=PNG), result(text="4")], metadata={"mine": 1})
    before = path.read_text()
    assert run(fake, path, "--save").code == 0
    saved = json.loads(path.with_name("book.executed.ipynb").read_text())
    assert path.read_text() == before and saved["metadata"]["mine"] == 1 and saved["nbformat_minor"] == 5
    kinds = [(output["output_type"], sorted(output.get("data", {}))) for output in saved["cells"][0]["outputs"]]
    assert kinds == [("stream", []), ("stream", []), ("display_data", ["image/png", "text/plain"]), ("execute_result", ["text/plain"])]
    assert saved["cells"][0]["outputs"][0]["text"] == ["out\n", "out\n"]
    assert saved["cells"][0]["execution_count"] == saved["cells"][0]["outputs"][3]["execution_count"] == 1


def test_the_notebook_itself(fake, notebook):
    path = notebook([result(text="4")])
    assert run(fake, path, "--save-as", path).code == 0
    assert len(outputs(path)[0]) == 1 and sorted(path.parent.iterdir()) == [path]


def test_percent_cells_become_a_notebook(fake, tmp_path):
    path = tmp_path / "program.py"
    path.write_text("# %% [markdown]\n# Text\n# %% Title\n[]\n")
    assert run(fake, "--cells", "--save", path).code == 0
    saved = json.loads((tmp_path / "program.executed.ipynb").read_text())
    assert [(cell["cell_type"], cell["source"]) for cell in saved["cells"]] == [("markdown", "Text"), ("code", "[]")]
    assert saved["metadata"]["kernelspec"]["name"] == "python3"


def test_events(fake, notebook):
    done = run(fake, notebook([OUT, result(text="4", data={"a": [0.5]}, png=PNG)], [FAILURE]), "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events] == ["begin", "stdout", "result", "end", "begin", "error", "end", "done"]
    assert events[2]["result"]["data"] == {"a": [0.5]} and events[2]["files"][0].endswith("/book-cell1-1.png")
    assert [event["status"] for event in events if event["event"] == "end"] == ["ok", "error"]
    assert events[-1] == {"event": "done", "status": 1, "cells": 2, "failed": 1, "sandboxID": "fakefakefakefake0001", "saved": None}


# ---- pictures ----


def test_files_of_pictures(fake, notebook, tmp_path):
    path = notebook([result(png=PNG, text="<Figure>"), result(False, svg="<svg/>"), result(jpeg=PNG)], [result(pdf=PNG)])
    theirs = tmp_path / "book-cell1-1.png"
    theirs.write_text("theirs")
    for _ in range(2):
        done = run(fake, path.name, cwd=tmp_path)
        assert done == (0, "[1]\npicture: book-cell1-1-2.png\npicture: book-cell1-2.svg\npicture: book-cell1-3.jpg\n"
                           "[2]\npicture: book-cell2-1.pdf\n", "")
    assert theirs.read_text() == "theirs" and (tmp_path / "book-cell1-1-2.png").read_bytes() == png(40, 20)
    assert len(list(tmp_path.iterdir())) == 6
    assert run(fake, path, "--out", tmp_path / "new/dir").out.splitlines()[1] == f"picture: {tmp_path}/new/dir/book-cell1-1.png"


def test_a_picture_that_is_none(fake, notebook):
    done = run(fake, notebook([result(png="\033[2J"), OUT]))
    assert (done.code, done.out) == (1, "[1]\nout\n") and "base64" in done.err


KITTY, ITERM, SIXEL = "\033_Ga=T", "\033]1337;File=", "\033P"


@pytest.mark.parametrize("variables, sequence", [
    ({"KITTY_WINDOW_ID": "1"}, KITTY), ({"TERM": "xterm-ghostty"}, KITTY), ({"TERM_PROGRAM": "iTerm.app"}, ITERM),
    ({"TERM_PROGRAM": "WezTerm"}, ITERM), ({"TERM": "foot"}, SIXEL), ({"TERM": "xterm-256color"}, None),
    ({"TERM": "dumb"}, None), ({"KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"}, None)])
def test_pictures_in_terminals(fake, notebook, variables, sequence):
    with in_terminal(fake, "run", notebook([result(png=PNG)]), **variables) as terminal:
        assert terminal.finish() == 0
        shown = terminal.output
    assert [start for start in (KITTY, ITERM, SIXEL) if start in shown] == ([sequence] if sequence else [])
    assert "picture: " in shown


def test_kitty_gets_the_picture_in_pieces(fake, notebook):
    data = png(400, 3000)
    with in_terminal(fake, "run", notebook([result(png=base64.b64encode(data).decode())]), "--pictures", "kitty",
                     pixels=(320, 200)) as terminal:
        assert terminal.finish() == 0
    pieces = re.findall(r"\033_G([^;]*);([A-Za-z0-9+/=]*)\033\\", terminal.output)
    assert base64.b64decode("".join(piece for _, piece in pieces)) == data
    assert [keys[-3:] for keys, _ in pieces] == ["m=1"] * (len(pieces) - 1) + ["m=0"] and len(pieces) > 1
    assert all(len(piece) <= 4096 for _, piece in pieces)
    assert "f=100" in pieces[0][0] and "c=80" in pieces[0][0]


def test_a_sixel_is_one_sequence(fake, notebook):
    with in_terminal(fake, "run", notebook([result(png=PNG)]), "--pictures", "sixel") as terminal:
        assert terminal.finish() == 0
    assert re.search(r"\033P[0-9;]*q[^\033]+\033\\", terminal.output), terminal.output
    assert not list(pathlib.Path("/tmp").glob("warren-picture-*"))


def test_no_pictures_where_none_are_wanted(fake, notebook):
    assert KITTY not in run(fake, notebook([result(png=PNG)]), "--pictures", "kitty").out
    with in_terminal(fake, "run", notebook([result(png=PNG)]), "--pictures", "none", KITTY_WINDOW_ID="1") as terminal:
        assert terminal.finish() == 0 and KITTY not in terminal.output


# ---- what else is shown ----


def test_a_table_fits_the_terminal(fake, notebook):
    columns = "".join(f"<th>column{i}</th>" for i in range(30))
    html = f"<table><thead><tr><th></th>{columns}</tr></thead><tr><th>0</th>{'<td>1</td>' * 30}</tr></table><p>1 rows × 30 columns</p>"
    done = run(fake, notebook([result(text="as pandas has it", html=html)]))
    lines = done.out.splitlines()
    assert "column0" in lines[1] and "..." in lines[1] and lines[1].endswith("column29") and lines[-1] == "1 rows × 30 columns"
    assert all(len(line) <= 80 for line in lines)
    assert run(fake, notebook([result(text="plain", html="<p>no table</p>")])).out == "[1]\nplain\n"


def test_results_without_text(fake, notebook):
    done = run(fake, notebook([result(json={"a": [1]})], [result(markdown="# x")], [result(html="<div>only a browser</div>")], [result()]))
    assert done.out == '[1]\n{\n  "a": [\n    1\n  ]\n}\n[2]\n# x\n[3]\n(a result as html)\n[4]\n'


def test_a_silent_cell_shows_that_it_runs(fake, notebook):
    with in_terminal(fake, "run", notebook([6, OUT])) as terminal:
        terminal.expect("[1]")
        terminal.expect("[1] running for ")
        terminal.expect("\r\033[Kout")
        assert terminal.finish() == 0


# ---- wrong use ----


@pytest.mark.parametrize("text, says", [
    ('{"nbformat": 3, "worksheets": []}', "format is 3"), ("{}", "no nbformat"), ("x", "JSON"), ("", "JSON"),
    ('{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "cell 1"),
    ('{"nbformat": 4, "metadata": {"kernelspec": {"name": "julia"}}, "cells": []}', "julia")])
def test_files_that_are_no_notebook(fake, tmp_path, text, says):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    done = run(fake, path)
    assert done.code not in (0, 1) and says in done.err and "x.ipynb" in done.err and not fake.seen


@pytest.mark.parametrize("arguments, says", [
    (("--user", "root", "BOOK"), "--user"), (("BOOK", "argument"), "argument"), (("BOOK", "--no-such"), "no-such"),
    (("--save", "PROGRAM"), "--save"), (("--pictures", "kitty", "PROGRAM"), "--pictures"), (("--pictures", "x", "BOOK"), "auto|kitty"),
    (("--lang", "cobol", "BOOK"), "cobol"), (("--cells", "/nonexistent"), "nonexistent"), (("--cells", "/etc/hostname"), "--lang")])
def test_wrong_options(fake, notebook, tmp_path, arguments, says):
    program = tmp_path / "program.py"
    program.write_text("print(1)")
    words = {"BOOK": notebook([OUT]), "PROGRAM": program}
    done = run(fake, *[words.get(word, word) for word in arguments])
    assert done.code not in (0, 1) and says in done.err and not fake.seen


# ---- the prompt ----


def prompt(fake, tmp_path, *arguments):
    return in_terminal(fake, "repl", *arguments, HOME=str(tmp_path), XDG_STATE_HOME="")


def codes(fake):
    return [cell["code"] for cell in fake.cells]


def test_inputs_of_several_lines(fake, tmp_path):
    with prompt(fake, tmp_path) as terminal:
        terminal.expect(">>> ")
        for line in ["def f():", "    return 1", "", "(1,", "", "2)", "", "x"]:
            terminal.line(line)
        terminal.expect("x\r\nx\r\n")
        terminal.expect(">>> ")
        terminal.send("\x04")
        assert terminal.finish() == 0
    assert codes(fake) == ["def f():\n    return 1\n\n", "(1,\n\n2)\n", "x\n"]
    assert fake.seen[-1][0] == "DELETE"


def test_ctrl_c_drops_a_line_or_interrupts(fake, tmp_path):
    with prompt(fake, tmp_path) as terminal:
        terminal.expect(">>> ")
        terminal.line("(half")
        terminal.expect("... ")
        terminal.send("of it")
        terminal.expect("of it")
        terminal.send("\x03")
        terminal.expect("^C")
        terminal.expect(">>> ")
        terminal.line(json.dumps([OUT, "hang"]))
        terminal.expect("\r\nout\r\n")
        terminal.send("\x03")
        terminal.expect("interrupted")
        terminal.expect(">>> ")
        terminal.line("after")
        terminal.expect("after\r\nafter")
        terminal.line("exit")
        assert terminal.finish() == 0
    assert codes(fake) == ['[{"type": "stdout", "text": "out\\n"}, "hang"]\n', "after\n"] and fake.interrupted == 1


def test_history_is_kept(fake, tmp_path):
    with prompt(fake, tmp_path) as terminal:
        terminal.expect(">>> ")
        terminal.line("remembered ü")
        terminal.expect("\r\nremembered ü")
        terminal.expect(">>> ")
        terminal.send("\x04")
        assert terminal.finish() == 0
    path = tmp_path / ".local/state/warren/history-python"
    assert path.stat().st_mode & 0o777 == 0o600 and [entry.name for entry in path.parent.iterdir()] == [path.name]
    with prompt(fake, tmp_path) as terminal:
        terminal.expect(">>> ")
        terminal.send("\x1b[A\n")
        terminal.expect("\r\nremembered ü")
        terminal.expect(">>> ")
        terminal.send("\x04")
        assert terminal.finish() == 0
    assert codes(fake) == ["remembered ü\n"] * 2


def test_commands_of_the_prompt(fake, tmp_path):
    with prompt(fake, tmp_path, "--new") as terminal:
        terminal.expect(">>> ")
        terminal.line(":help")
        terminal.expect(":restart")
        terminal.line(":restart")
        terminal.expect("a new interpreter")
        terminal.line("x")
        terminal.expect("\r\nx\r\n")
        terminal.line("quit")
        assert terminal.finish() == 0
    assert fake.cells[0]["context_id"] == "made-1" and "language" not in fake.cells[0]
    paths = [(step[0], step[1]) for step in fake.seen]
    assert ("POST", "/contexts/made-1/restart") in paths and ("DELETE", "/contexts/made-1") in paths


def test_a_signal_ends_the_prompt(fake, tmp_path):
    with prompt(fake, tmp_path) as terminal:
        terminal.expect(">>> ")
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.finish() == 128 + signal.SIGTERM
    assert fake.seen[-1][0] == "DELETE"


def script(fake, text, *arguments):
    done = subprocess.run([warren.binary(), "repl", *arguments], env=fake.environment, input=text, capture_output=True, text=True,
                          timeout=60)
    return warren.Result(done.returncode, done.stdout, done.stderr)


def test_a_script_is_cut_into_inputs(fake):
    text = "x = 1\n\nif x:\n    a\n\n# note\nelse:\n    b\nf(\n\n1)\n@d\ndef g():\n    c"
    assert script(fake, text).code == 0
    assert codes(fake) == ["x = 1\n", "if x:\n    a\n\n# note\nelse:\n    b\n", "f(\n\n1)\n", "@d\ndef g():\n    c\n"]


def test_a_script_ends_with_its_first_error(fake):
    done = script(fake, json.dumps([FAILURE]) + "\nnever\n", "--lang", "js")
    assert (done.code, done.out) == (1, "") and "ValueError" in done.err and fake.cells[0]["language"] == "javascript"
    assert len(fake.cells) == 1


def test_options_of_a_sandbox_that_is_there(fake):
    done = script(fake, "", "--memory", "512M", "fakefakefakefake0001")
    assert done.code not in (0, 1) and "new sandbox" in done.err
    assert script(fake, "x\n", "fakefakefakefake0001") == (0, "x\n\n", "")
    assert [verb for verb, _ in fake.seen] == ["POST"], "a sandbox that was named stays"
