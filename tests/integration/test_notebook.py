"""Notebooks and programs with cells, from the command line to a real interpreter in a sandbox."""

import json
import signal
import subprocess

import pytest

import warren

CHECK_NOTEBOOK = "import nbformat; nbformat.validate(nbformat.read('/tmp/executed.ipynb', as_version=4))"


@pytest.fixture
def notebook(tmp_path):
    """Writes a notebook of these sources -> its path."""
    def write(*sources, kernel="python3"):
        cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None} for source in sources]
        path = tmp_path / "book.ipynb"
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {"kernelspec": {"name": kernel}}, "cells": cells}))
        return path
    return write


def test_the_example(server, tmp_path):
    saved = tmp_path / "executed.ipynb"
    done = server.cli("run", str(warren.REPOSITORY / "examples/notebook.ipynb"), "--out", str(tmp_path), "--save-as", str(saved))
    assert done.code == 0, done
    assert "365 days, 20 of them dry\n[2]\n           sum   max\nmonth\n2026-01   73.3  10.8\n" in done.out
    assert done.out.endswith(f"picture: {tmp_path}/notebook-cell3-1.png\n[4]\n[5]\n121.5\n") and "AssertionError" in done.err
    assert (tmp_path / "notebook-cell3-1.png").read_bytes().startswith(b"\x89PNG")
    outputs = [cell["outputs"] for cell in json.loads(saved.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [[output["output_type"] for output in listed] for listed in outputs] == [
        ["stream"], ["execute_result"], ["display_data"], ["error"], ["execute_result"]]


def test_what_is_saved_is_valid(server, sandbox, notebook):
    path = notebook("print('ü')\n{'a': 0.5}", "import sys; sys.stderr.write('e'); 1/0", "never")
    done = server.cli("run", str(path), "--save")
    assert (done.code, done.out) == (1, "[1]\nü\n{'a': 0.5}\n[2]\n") and done.err.startswith("e\n---") and "ZeroDivisionError" in done.err
    sandbox.put("/tmp/executed.ipynb", path.with_name("book.executed.ipynb").read_bytes())
    checked = sandbox.python(CHECK_NOTEBOOK)
    assert checked.code == 0, checked


@pytest.mark.parametrize("kernel, sources, out", [
    ("python3", ["x = 20", "x + 1"], "[1]\n[2]\n21\n"),
    ("javascript", ["const x = 20", "x + 1"], "[1]\n[2]\n21\n"),
    ("typescript", ["const x: number = 20", "x + 1"], "[1]\n[2]\n21\n"),
    ("bash", ["x=20", "echo $((x + 1))"], "[1]\n[2]\n21\n"),
])
def test_cells_of_each_language_share_their_state(server, notebook, kernel, sources, out):
    done = server.cli("run", str(notebook(*sources, kernel=kernel)))
    assert (done.code, done.out) == (0, out), done


def test_a_language_that_the_template_lacks(server, notebook):
    done = server.cli("run", str(notebook("1", kernel="ir")))
    assert done.code not in (0, 1) and "code-interpreter-full" in done.err


def test_cells_of_a_program(server):
    done = server.cli("run", "--cells", str(warren.REPOSITORY / "examples/cells.py"))
    assert done == (0, "[1] Sieve\n[2] Primes\n2 3 5 7 11 13 17 19 23 29 31 37 41 43 47\n[3] Their number\n15\n", "")


def test_files_and_variables(server, notebook, tmp_path):
    given = tmp_path / "given.txt"
    given.write_text("content")
    path = notebook("import os\nopen('given.txt').read(), os.environ['A'], os.getcwd(), os.getuid()")
    done = server.cli("run", "--file", f"{given}:given.txt", "--env", "A=b", str(path))
    assert done == (0, "[1]\n('content', 'b', '/home/user', 1000)\n", "")


def test_output_comes_while_a_cell_runs(server, notebook):
    path = notebook("import time\nprint('first')\ntime.sleep(600)")
    before = server.list()
    with started(server, path) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["[1]\n", "first\n"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 128 + signal.SIGINT
    assert [entry["sandboxID"] for entry in server.list()] == [entry["sandboxID"] for entry in before]


def test_a_sandbox_that_is_killed(server, notebook):
    path = notebook("print('first')", "print('second'); import time; time.sleep(600)")
    before = {entry["sandboxID"] for entry in server.list()}
    with started(server, path, "--save") as process:
        assert [process.stdout.readline() for _ in range(4)] == ["[1]\n", "first\n", "[2]\n", "second\n"]
        (running,) = {entry["sandboxID"] for entry in server.list()} - before
        server.request("DELETE", f"/sandboxes/{running}")
        assert process.wait(30) not in (0, 1)
        assert "ended while the program ran" in process.stderr.read()
    saved = json.loads(path.with_name("book.executed.ipynb").read_text())
    assert [len(cell["outputs"]) for cell in saved["cells"]] == [1, 1]


def test_an_interpreter_that_dies(server, notebook):
    done = server.cli("run", str(notebook("import os; os._exit(3)", "1 + 1")), "--keep-going")
    assert (done.code, done.out) == (1, "[1]\n[2]\n2\n") and "restarted" in done.err


def test_fifty_megabytes(server, notebook):
    done = server.cli("run", str(notebook("for i in range(500):\n    print('x' * 100_000)\n")))
    assert done.code == 0 and done.out.count("x") == 50_000_000


def started(server, path, *arguments):
    return subprocess.Popen([warren.binary(), "run", str(path), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=server.environment())
