"""The command line over the primitives: run with their options, test, orchestrate, usage, slo, bench-slo, audit."""

import json
import signal
import sqlite3
import subprocess
import tarfile
import time

import libwarren
import pytest
import warren
from execution import AUTHORITIES
from terminal import Terminal

SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(60)\n"
SECRET = "sk-" + "a1B2" * 8
INPUT, NOT_FOUND, DENIED, PRECONDITION, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = 66, 68, 70, 72, 77, 78, 79


class Place:
    """A directory with files for the command line, and a state directory of its own."""

    def __init__(self, service, path):
        self.service, self.path = service, path
        self.state = path / "state"
        self.variables = libwarren.environment(WARREN_SOCKET=service.socket, WARREN_DATA_DIR=service.data,
                                               WARREN_STATE_DIR=str(self.state))

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        return name

    def cli(self, *arguments, stdin="", env=None, timeout=60):
        done = subprocess.run([warren.binary(), *arguments], cwd=self.path, input=stdin, capture_output=True, text=True,
                              timeout=timeout, env={**self.variables, **(env or {})}, check=False)
        return warren.Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments, stdin=subprocess.DEVNULL, **options):
        return subprocess.Popen([warren.binary(), *arguments], cwd=self.path, stdin=stdin, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=self.variables, **options)

    def executions(self):
        """(error code, whether the code succeeded, language) of each line of the ledger."""
        with sqlite3.connect(self.state / "ledger.db") as database:
            return database.execute("SELECT error_code, code_succeeded, language FROM executions ORDER BY rowid").fetchall()


@pytest.fixture
def place(service, none_left, tmp_path):
    return Place(service, tmp_path)


def failed(done, status, *texts):
    """Ended with that status and one sentence on standard error that has these texts."""
    assert done.code == status, done
    assert done.err.startswith("warren: ") and done.err.count("\n") == 1, done
    for text in texts:
        assert text in done.err, done


# ---- run ----


def test_run_executes_code(place):
    place.write("a.py", "import sys\nprint('out')\nprint('err', file=sys.stderr)\n40 + 2\n")
    done = place.cli("run", "--retry", "2", "a.py")
    assert done == (0, "out\n42\n", "err\n")
    assert place.executions() == [(0, 1, "python")]


def test_run_reads_code_from_standard_input(place):
    assert place.cli("run", "--retry", "1", "-", stdin="print(6 * 7)") == (0, "42\n", "")
    assert place.cli("run", "--retry", "1", "--lang", "bash", "-", stdin="echo $((6 * 7))") == (0, "42\n", "")
    failed(place.cli("run", "--pool", "2", "-", "-"), INPUT, "standard input", "twice")


def test_run_says_what_failed_in_the_code(place):
    place.write("a.py", "print('before')\nundefined\n")
    done = place.cli("run", "--retry", "1", "a.py")
    assert (done.code, done.out) == (1, "before\n")
    assert "Traceback" in done.err and "NameError: name 'undefined' is not defined" in done.err
    assert place.executions() == [(0, 0, "python")], "code that fails is not tried again"


def test_run_streams(place):
    process = place.start("run", "--redact", "-", stdin=subprocess.PIPE)
    process.stdin.write("print('first', flush=True)\nimport time\nwhile True: time.sleep(1)\n")
    process.stdin.close()
    assert process.stdout.readline() == "first\n"
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM


def test_run_names_results_that_have_no_text(place):
    code = ("from IPython.display import display\n" "display({'image/png': 'iVBORw0KGgo='}, raw=True)\n"
            "display({'text/plain': 'shown'}, raw=True)\n")
    done = place.cli("run", "--retry", "1", "-", stdin=code)
    assert (done.code, done.out) == (0, "(a result as png)\nshown\n"), done


def test_run_has_a_limit_of_time(place):
    done = place.cli("run", "--retry", "2", "--timeout", "500ms", "-", stdin="while True: pass")
    failed(done, 124, "code ran longer than 0.5 seconds")
    assert [row[:2] for row in place.executions()] == [(4, 0)], "code that ran too long is not tried again"


def test_run_takes_files_variables_and_packages(place):
    place.write("in.txt", "text")
    (place.path / "in.bin").write_bytes(b"\0\xff")
    code = "import os, pathlib\nprint(os.environ['A'], pathlib.Path('d/t').read_text(), pathlib.Path('b').read_bytes())"
    done = place.cli("run", "--retry", "1", "-e", "A=x=y", "-f", "in.txt:d/t", "-f", "in.bin:b", "-", stdin=code)
    assert done == (0, "x=y text b'\\x00\\xff'\n", "")
    trust = ["-f", f"{AUTHORITIES}:authorities.crt", "-e", "PIP_CERT=/home/user/authorities.crt"]
    done = place.cli("run", "--install", "iniconfig>=2", *trust, "-", stdin="import iniconfig; print(iniconfig.__name__)")
    assert done == (0, "iniconfig\n", "")
    done = place.cli("run", "--install", "no-such-package-of-warren-tests", *trust, "-", stdin="1")
    failed(done, PRECONDITION, "no-such-package-of-warren-tests")
    failed(place.cli("run", "--retry", "1", "-e", "A", "-"), INPUT, "--env", "NAME=VALUE")
    failed(place.cli("run", "--retry", "1", "-f", "none:b", "-"), NOT_FOUND, "--file", "none")


def test_run_with_a_cache(place):
    code = "import random\nprint(random.random())\n1 + 1\n"
    done = [place.cli("run", "--cache", "--timing", "-", stdin=code) for _ in range(2)]
    assert done[0].out == done[1].out and done[0].out.endswith("\n2\n")
    assert "1 attempt" in done[0].err and "out of the cache" in done[1].err
    assert place.cli("run", "--cache", "-e", "A=1", "-", stdin=code).out != done[0].out
    assert (place.state / "cache.db").stat().st_mode & 0o777 == 0o600
    expired = place.cli("run", "--cache", "--cache-ttl", "1ms", "-", stdin=f"{code}#")
    time.sleep(0.01)
    assert place.cli("run", "--cache", "--cache-ttl", "1ms", "-", stdin=f"{code}#").out != expired.out
    for _ in range(2):
        assert place.cli("run", "--cache", "--json", "-", stdin="1 / 0").out.count('"cached":false') == 1


def test_a_cache_keeps_the_beginning_of_long_output(place):
    whole, kept = (place.cli("run", "--cache", "-", stdin="print('x' * 1000100)") for _ in range(2))
    assert whole == (0, "x" * 1000100 + "\n", "")
    assert kept == (0, "x" * 1000000 + "\n", "warren: the cache has only the beginning of this output\n")


def test_run_takes_secrets_out(place):
    code = f"import sys\nprint('{SECRET}', 'mine-17')\nprint('{SECRET}', file=sys.stderr)\n'{SECRET}'\nraise ValueError('{SECRET}')"
    done = place.cli("run", "--cache", "--redact-pattern", "mine-[0-9]+", "-", stdin=code)
    assert done.code == 1 and done.out == "[REDACTED] [REDACTED]\n", done
    assert SECRET not in done.err and "ValueError: [REDACTED]" in done.err
    assert place.cli("run", "--redact", "-", stdin="print('mine-17')").out == "mine-17\n"
    done = place.cli("run", "--redact", "--cache", "-", stdin=f"print('{SECRET}')")
    assert done.out == "[REDACTED]\n"
    kept = b"".join(path.read_bytes() for path in place.state.glob("cache.db*"))
    assert SECRET.encode() not in kept and b"[REDACTED]" in kept, "what is cached has no secrets"
    failed(place.cli("run", "--redact-pattern", "(", "-"), INPUT, "(")


def test_run_refuses_code_by_rules(place):
    place.write("bad.py", "print('not reached')\nimport os\nos.system('id')\n")
    done = place.cli("run", "--policy", "default", "bad.py")
    failed(done, DENIED, "os.system", "line 3")
    assert done.out == ""
    place.write("rules.json", {"imports": {"deny": ["json"]}})
    failed(place.cli("run", "--policy", "rules.json", "-", stdin="import json"), DENIED, "json", "line 1")
    assert place.cli("run", "--policy", "rules.json", "-", stdin="import os; print(os.system('true'))").out == "0\n"
    place.write("wrong.json", {"import": {}})
    failed(place.cli("run", "--policy", "wrong.json", "-"), INPUT, "import")
    failed(place.cli("run", "--policy", "none.json", "-"), NOT_FOUND, "none.json")
    failed(place.cli("run", "--policy", place.write("broken.json", "{"), "-"), INPUT, "--policy", "JSON")


def test_run_out_of_a_pool(place):
    names = [place.write(f"{i}.py", f"import time; time.sleep({0.3 if i == 0 else 0}); print({i})") for i in range(4)]
    done = place.cli("run", "--pool", "3", *names)
    assert done == (0, "".join(f"{chr(10) if i else ''}==> {i}.py <==\n{i}\n" for i in range(4)), "")
    place.write("bad.py", "1 / 0")
    place.write("js.js", "console.log(7)")
    done = place.cli("run", "--pool", "2", "bad.py", "js.js", "--timing")
    assert done.code == 1 and done.out == "==> bad.py <==\n\n==> js.js <==\n7\n" and "ZeroDivisionError" in done.err
    assert done.err.count("1 attempt") == 2, done
    assert place.cli("run", "--pool", "2", "0.py").out == "0\n", "one file has no head"


def test_files_that_cannot_be_executed_do_not_hide_the_others(place):
    place.write("long.py", "while True: pass")
    place.write("ok.py", "print('ok')")
    done = place.cli("run", "--pool", "2", "--timeout", "3500ms", "long.py", "ok.py")
    assert done.code == 1 and "==> ok.py <==\nok\n" in done.out
    assert done.err == "warren: long.py: code ran longer than 3.5 seconds and was stopped\n"
    failed(place.cli("run", "--pool", "2", "ok.py", "none.py"), NOT_FOUND, "none.py")


def test_run_as_json(place):
    names = [place.write("a.py", "print('a')"), place.write("b.py", "1 / 0"), place.write("c.py", "while True: pass")]
    done = place.cli("run", "--pool", "2", "--timeout", "3500ms", "--json", *names)
    assert (done.code, done.err) == (1, "")
    first, second, third = (json.loads(line) for line in done.out.splitlines())
    assert (first["file"], first["success"], first["stdout"], first["attempts"]) == ("a.py", True, "a\n", 1)
    assert (second["success"], second["error"]) == (False, "ZeroDivisionError: division by zero")
    assert (third["success"], third["error_code"]) == (False, "deadline_exceeded")


def test_run_writes_metrics(place):
    assert place.cli("run", "--metrics", "metrics.prom", "-", stdin="1").code == 0
    assert "\ncode_execution_success_total 1\n" in (place.path / "metrics.prom").read_text()
    done = place.cli("run", "--metrics", "-", "-", stdin="1 / 0")
    assert done.code == 1 and "\ncode_execution_success_total 0\n" in done.err
    failed(place.cli("run", "--metrics", "nowhere/metrics", "-", stdin="1"), NOT_FOUND, "--metrics", "nowhere/metrics")


def test_run_sends_telemetry(place):
    done = place.cli("run", "--otlp", "http://127.0.0.1:1", "-", stdin="print(1)")
    assert (done.code, done.out) == (0, "1\n") and done.err.startswith("warren: option --otlp: "), done
    failed(place.cli("run", "--otlp", "nonsense", "-", stdin="1"), INPUT, "--otlp", "https://")


def test_run_on_another_server(place, service, key):
    over_tcp = service.settings(key)
    assert place.cli("run", "--backend", "e2b", "-", stdin="print(1)", env=over_tcp) == (0, "1\n", "")
    assert place.cli("run", "--backend", "auto", "-", stdin="print(1)") == (0, "1\n", ""), "WARREN_SOCKET is set"
    assert place.cli("run", "--backend", "auto", "-", stdin="print(1)", env={**over_tcp, "WARREN_SOCKET": ""}) == (0, "1\n", "")
    assert place.cli("run", "--backend", "socket", "-", stdin="print(1)") == (0, "1\n", "")
    assert place.cli("run", "--backend", "private", "-", stdin="print(1)") == (0, "1\n", "")
    failed(place.cli("run", "--backend", "e2b", "-", stdin="1"), UNAUTHENTICATED, "E2B_API_KEY")
    failed(place.cli("run", "--backend", "cloud", "-"), INPUT, "--backend", "cloud", "socket|auto|e2b|private")
    backends = json.loads(place.cli("usage", "--json").out)["by_backend"]
    assert {name: one["executions"] for name, one in backends.items()} == {service.socket: 3, over_tcp["E2B_API_URL"]: 2}


def test_run_falls_back(place):
    nobody = {"E2B_API_KEY": "e2b_" + "0" * 40, "E2B_API_URL": "http://127.0.0.1:1"}
    failed(place.cli("run", "--backend", "e2b", "-", stdin="1", env=nobody), UNAVAILABLE, "127.0.0.1:1")
    done = place.cli("run", "--backend", "e2b", "--fallback", "--policy", "default", "--redact", "-", stdin=f"print('{SECRET}')", env=nobody)
    assert done == (0, "[REDACTED]\n", "")
    failed(place.cli("run", "--fallback", "-", stdin="1"), INPUT, "--fallback", "--backend e2b")


def test_run_tries_again(place):
    nobody = {"E2B_API_KEY": "e2b_" + "0" * 40, "E2B_API_URL": "http://127.0.0.1:1"}
    failed(place.cli("run", "--backend", "e2b", "--retry", "1", "-", stdin="1", env=nobody), UNAVAILABLE, "after 2 attempts")


@pytest.mark.parametrize("arguments, texts", [
    (["--retry", "1", "a.py", "b"], ["--retry", "\"b\"", "--pool"]),
    (["--retry", "1", "--keep", "a.py"], ["--keep", "--retry"]),
    (["--cache", "--user", "root", "a.py"], ["--user", "--cache"]),
    (["--redact", "a.py", "--disk", "1G"], ["--disk", "--redact"]),
    (["--audit", "x", "--pids", "9", "a.py"], ["--pids", "--audit"]),
    (["--pool", "2", "--group", "g", "a.py"], ["--group", "--pool"]),
    (["--retry", "1", "--out", "d", "a.py"], ["--out", "notebooks"]),
    (["--pool", "2", "--cells", "a.py"], ["--pool", "cells"]),
    (["--pool", "2", "a.py", "n.ipynb"], ["n.ipynb", "--pool"]),
    (["--cache", "n.ipynb"], ["--cache", "cells"]),
    (["--retry", "1", "--cache-ttl", "1h", "a.py"], ["--cache-ttl needs --cache"]),
    (["--retry", "0", "a.py"], ["--retry", "from 1 to 100"]),
    (["--pool", "65", "a.py"], ["--pool", "from 1 to 64"]),
    (["--retry", "1", "a.txt"], ["a.txt", "--lang"]),
    (["--retry", "1", "--lang", "cobol", "a.py"], ["cobol"]),
    (["--retry", "1", "/"], ["--lang"]),
])
def test_run_refuses(place, arguments, texts):
    for name in ("a.py", "b", "a.txt"):
        place.write(name, "print('not reached')")
    done = place.cli("run", *arguments)
    failed(done, INPUT, *texts)
    assert done.out == ""


# ---- interrupts ----


def interrupt(process, signo=signal.SIGINT):
    process.send_signal(signo)
    return process.wait(60)


def nothing_runs(place):
    """One that was just being made when its client left goes as soon as it is made."""
    warren.wait_for(lambda: not place.service.list(), 30, "no sandbox is left")


@pytest.mark.parametrize("arguments", [
    ["run", "--retry", "3", "slow.py"], ["run", "--cache", "--redact", "--policy", "default", "--audit", "log", "slow.py"],
    ["run", "--pool", "2", "slow.py", "slow.py", "slow.py"]])
def test_an_interrupt_leaves_nothing(place, arguments):
    place.write("slow.py", SLOW)
    process = place.start(*arguments)
    while "begun" not in process.stdout.readline():
        assert process.poll() is None, process.stderr.read()
    assert interrupt(process) == 130 and process.stderr.read() == ""
    nothing_runs(place)


@pytest.mark.parametrize("arguments", [
    ["orchestrate", "tasks.jsonl"], ["test", "cases.json", "slow.py"], ["bench-slo", "--rounds", "10000"]])
def test_an_interrupt_ends_other_commands(place, arguments):
    place.write("slow.py", SLOW)
    place.write("tasks.jsonl", {"code": SLOW})
    place.write("cases.json", [{"name": "one"}, {"name": "two"}])
    process = place.start(*arguments)
    warren.wait_for(place.service.list, 20, "a sandbox is used")
    assert interrupt(process, signal.SIGTERM) == 128 + signal.SIGTERM
    nothing_runs(place)


def test_a_second_interrupt_ends_at_once(place):
    """With a server that does not answer any more, nothing can be cleaned up."""
    place.write("slow.py", SLOW)
    process = place.start("run", "--retry", "1", "slow.py")
    assert process.stdout.readline() == "begun\n"
    place.service.process.send_signal(signal.SIGSTOP)
    try:
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        assert interrupt(process) == 130
    finally:
        place.service.process.send_signal(signal.SIGCONT)
    for entry in place.service.list():
        place.service.request("DELETE", f"/sandboxes/{entry['sandboxID']}", expect=(204, 404))


def test_a_reader_that_goes(place):
    done = subprocess.run(["/bin/bash", "-c", f"{warren.binary()} run --retry 1 - | head -1; echo ${{PIPESTATUS[0]}}"], text=True,
                          input="while True: print('x')", capture_output=True, env=place.variables, timeout=60, check=True)
    assert done.stdout == f"x\n{128 + signal.SIGPIPE}\n"
    assert not place.service.list()


# ---- test ----

DOUBLE = "import json\nprint(2 * float(json.load(open('/test_input.json'))))\n"

@pytest.mark.parametrize("arguments", [("run", "--retry", "1", "a.py"), ("orchestrate", "tasks.jsonl")])
def test_output_that_cannot_be_written(place, arguments):
    place.write("a.py", "print(1)\n")
    place.write("tasks.jsonl", '{"code": "1"}')
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([warren.binary(), *arguments], cwd=place.path, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                              text=True, env=place.variables, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (65, "warren: write to standard output: No space left on device\n")



def test_cases(place):
    place.write("double.py", DOUBLE)
    place.write("cases.json", {"test_cases": [
        {"name": "text", "input": 2, "expected_output": "4.0"}, {"name": "wrong", "input": 3, "expected_output": "7\n8"},
        {"name": "near", "input": 1, "expected_number": 2.01, "tolerance": 0.1}, {"name": "form", "input": 1, "expected_regex": "^2"}]})
    done = place.cli("test", "cases.json", "double.py", "--junit", "report.xml", "--concurrency", "2")
    assert done.code == 1 and done.err == "", done
    assert "\nwrong\n  the output is not what was expected\n  expected: 7\n            8\n  actual:   6.0\n" in done.out
    assert "3 passed, 1 failed, 0 skipped, 0 errored in " in done.out
    assert '<testsuite name="warren" tests="4" failures="1"' in (place.path / "report.xml").read_text()
    assert [row[1] for row in place.executions()] == [1, 0, 1, 1]
    place.write("bare.json", [{"input": 2, "expected_output": "4.0"}])
    assert place.cli("test", "bare.json", "double.py").code == 0
    output = json.loads(place.cli("test", "--json", "bare.json", "-", stdin=DOUBLE).out)
    assert (output["success"], output["tests_passed"], output["outcome"]) == (True, 1, "passed")


def test_cases_end_with_their_time(place):
    place.write("cases.json", [{"name": "long"}])
    done = place.cli("test", "cases.json", "--timeout", "300ms", "--lang", "python", "-", stdin="while True: pass")
    assert done.code == 1 and "timeout" in done.out and "code ran longer than 0.3 seconds" in done.out


@pytest.mark.parametrize("text, arguments, texts", [
    ("[]", ["cases.json", "a.py"], ["test_cases"]),
    ("{\"cases\": []}", ["cases.json", "a.py"], ["cases.json", "test_cases"]),
    ("[{\"expect\": 1}]", ["cases.json", "a.py"], ["test_cases[0]", "expect"]),
    ("[", ["cases.json", "a.py"], ["cases.json", "JSON"]),
    ("[{}]", ["cases.json"], ["cases.json", "FILE"]),
    ("[{}]", ["cases.json", "a.py", "b"], ["\"b\""]),
    ("[{}]", ["cases.json", "a.py", "--coverage"], ["--coverage", "projects"]),
    ("[{}]", ["--lang", "python", "."], ["--lang", "cases"]),
    ("[{}]", ["--requirements", "../x", "."], ["requirements"]),
])
def test_wrong_cases(place, text, arguments, texts):
    place.write("cases.json", text)
    place.write("a.py", "1")
    failed(place.cli("test", *arguments), INPUT, *texts)


def project(place, **tests):
    lines = [f"    def test_{name}(self): self.assertEqual({value})" for name, value in tests.items()] or ["    pass"]
    place.write("project/test_it.py", "import unittest\nclass It(unittest.TestCase):\n" + "\n".join(lines) + "\n")
    return "project"


def test_projects(place):
    done = place.cli("test", "--runner", "unittest", project(place, good="1, 1", bad="1, 2"), "--junit", "report.xml")
    assert done.code == 1 and "AssertionError: 1 != 2" in done.out and "\n1 passed, 1 failed, " in done.out, done
    assert 'tests="2"' in (place.path / "report.xml").read_text()
    with tarfile.open(place.path / "project.tar.gz", "w:gz") as archive:
        archive.add(place.path / project(place, good="1, 1", bad="1, 2"), ".")
    done = place.cli("test", "--runner", "unittest", "project.tar.gz", "--", "-k", "good")
    assert done.code == 0 and "Ran 1 test" in done.out and "\n1 passed, 0 failed, " in done.out, done
    assert len(place.executions()) == 2


def test_projects_without_tests_and_broken_ones(place):
    done = place.cli("test", "--runner", "unittest", project(place))
    assert done.code == 2 and "0 passed, 0 failed" in done.out, done
    place.write("project/test_it.py", "import nothing_of_this_name\n")
    done = place.cli("test", "--runner", "unittest", "--json", "project")
    assert done.code == 2 and json.loads(done.out)["outcome"] == "collection_error"
    failed(place.cli("test", "none.tar"), NOT_FOUND, "none.tar")


def test_a_failure_of_the_infrastructure_is_none_of_the_tests(place):
    project(place, good="1, 1")
    done = place.cli("test", "--runner", "unittest", "--template", "no-such-template", "project")
    failed(done, UNAVAILABLE, "could not be run", "no-such-template")
    place.write("cases.json", [{"name": "one"}])
    done = place.cli("test", "--template", "no-such-template", "cases.json", "project/test_it.py")
    assert done.code == UNAVAILABLE and "infrastructure_error" in done.out and "no-such-template" in done.out, done


# ---- orchestrate ----


def lines(*tasks):
    return "".join(json.dumps(task) + "\n" for task in tasks)


def test_tasks(place):
    tasks = lines({"id": "first", "code": "import time; time.sleep(0.4); print(1)"}, {"code": "print(2)"}, {"code": "1 / 0"})
    done = place.cli("orchestrate", "--concurrency", "3", "-", stdin=f"{tasks}\n")
    results = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 1 and done.err.startswith("2 of 3 tasks succeeded, 1 failed, 0 skipped, in "), done
    assert [result["stdout"] for result in results] == ["1\n", "2\n", ""]
    assert [(result["id"], result["index"]) for result in results] == [("first", 0), ("1", 1), ("2", 2)]
    assert sorted(row[:2] for row in place.executions()) == [(0, 0), (0, 1), (0, 1)]


def test_tasks_are_tried_again(place):
    nobody = {"E2B_API_KEY": "e2b_" + "0" * 40, "E2B_API_URL": "http://127.0.0.1:1"}
    done = place.cli("orchestrate", "--backend", "e2b", "--retry", "1", "-", stdin=lines({"code": "1"}), env=nobody)
    result = json.loads(done.out)
    assert done.code == 1 and result["error_code"] == "unavailable" and result["error"].startswith("after 2 attempts: "), done
    assert [row[0] for row in place.executions()] == [14, 14]


def test_results_come_before_the_end(place):
    place.write("tasks.jsonl", lines({"code": "print('early')"}, {"code": SLOW}))
    process = place.start("orchestrate", "tasks.jsonl")
    assert json.loads(process.stdout.readline())["stdout"] == "early\n"
    assert process.poll() is None and interrupt(process) == 130


def test_a_task_that_stops_the_others(place):
    done = place.cli("orchestrate", "--stop-on-failure", "--concurrency", "1", "-", stdin=lines({"code": "1 / 0"}, {"code": "1"}))
    assert done.code == 1 and "0 of 2 tasks succeeded, 1 failed, 1 skipped" in done.err
    assert json.loads(done.out.splitlines()[1])["error_code"] == "canceled"


def test_tasks_share_files(place):
    (place.path / "board").mkdir()
    write = "import os; open(os.environ['WARREN_BOARD'] + '/word', 'w').write('shared')"
    read = "import os; print(open(os.environ['WARREN_BOARD'] + '/word').read())"
    tasks = lines({"code": write}, {"code": read})
    for share in (["--share", "blackboard", "--board", "board"], ["--share", "volume"]):
        done = place.cli("orchestrate", "--concurrency", "1", *share, "-", stdin=tasks)
        assert done.code == 0 and json.loads(done.out.splitlines()[1])["stdout"] == "shared\n", done
    assert (place.path / "board/word").read_text() == "shared"
    failed(place.cli("orchestrate", "--board", "board", "-", stdin=tasks), INPUT, "--board needs --share blackboard")


@pytest.mark.parametrize("text, number, why", [
    ('{"code": "1"}\n\n{"cod": "1"}\n', 3, "cod"), ('{"code": "1"}\nprint(1)\n', 2, "JSON"), ('{"code": "1", "timeout": 0}', 1, "timeout"),
    ('{"code": "1", "id": ""}', 1, "id"), ("[1]", 1, "no object")])
def test_a_wrong_line_is_named_before_anything_runs(place, text, number, why):
    place.write("tasks.jsonl", text)
    done = place.cli("orchestrate", "tasks.jsonl")
    failed(done, INPUT, f"tasks.jsonl: line {number}: ", why)
    assert done.out == "" and not (place.state / "ledger.db").exists()


def test_no_tasks(place):
    failed(place.cli("orchestrate", "-", stdin="\n"), INPUT, "there are no tasks")
    failed(place.cli("orchestrate", "none.jsonl"), NOT_FOUND, "none.jsonl")


# ---- usage, slo, bench-slo ----


def test_usage(place):
    assert place.cli("usage") == (0, "nothing was executed in the last 30 days\n", "")
    place.cli("run", "--retry", "1", "-", stdin="1")
    place.cli("run", "--retry", "1", "-", stdin="1 / 0")
    done = place.cli("usage", "--days", "7")
    rows = [line.split() for line in done.out.splitlines()]
    assert done.code == 0 and rows[2][:6] == ["total", "2", "1", "1", "0", "2"], done
    assert rows[5][:3] == [place.service.socket, "2", "1"] and "code 1" in done.out
    usage = json.loads(place.cli("usage", "--json").out)
    assert (usage["executions"], usage["failed"], usage["period_s"]) == (2, 1, 30 * 86400)
    failed(place.cli("usage", "--days", "0"), INPUT, "--days", "from 1 to 400")


def test_service_level(place):
    done = place.cli("slo")
    assert done.code == 0 and "0 executions" in done.out
    place.cli("run", "--retry", "1", "-", stdin="1 / 0")
    done = place.cli("slo", "--create-p95", "60000")
    assert done.code == 0 and done.out.count("yes\n") == 2 and "100 %" in done.out, "code that fails is not the service's failure"
    level = json.loads(place.cli("slo", "--create-p95", "60000", "--success", "0.999", "--json").out)
    assert level["met"] is True and level["success"]["target"] == 0.999
    nobody = {"E2B_API_KEY": "e2b_" + "0" * 40, "E2B_API_URL": "http://127.0.0.1:1"}
    place.cli("run", "--backend", "e2b", "-", stdin="1", env=nobody)
    done = place.cli("slo", "--create-p95", "60000", "--success", "0.9")
    assert done.code == 1 and "50 %" in done.out and "no\n" in done.out
    failed(place.cli("slo", "--success", "99"), INPUT, "--success", "0.99")


def test_bench(place):
    done = place.cli("bench-slo", "--rounds", "3", "--concurrency", "2", "--create-p95", "60000", "--json")
    level = json.loads(done.out)
    assert done.code == 0 and (level["executions"], level["met"], level["success"]["rate"]) == (3, True, 1.0)
    nobody = {"E2B_API_KEY": "e2b_" + "0" * 40, "E2B_API_URL": "http://127.0.0.1:1", "TMPDIR": str(place.path)}
    done = place.cli("bench-slo", "--rounds", "1", "--backend", "e2b", env=nobody)
    assert done.code == 1 and "1 executions; 1 errors" in done.out
    assert not place.state.exists() and not list(place.path.glob("warren-slo-*")), "it leaves nothing"
    failed(place.cli("bench-slo", "--success", "2"), INPUT, "--success")


# ---- audit ----


def test_audit(place):
    place.cli("run", "--audit", "log", "-", stdin="print(1)")
    place.cli("run", "--audit", "log", "--policy", "default", "-", stdin="eval('1')")
    done = place.cli("audit", "verify", "log")
    assert done.code == 0 and done.out.startswith("3 records from "), done
    report = json.loads(place.cli("audit", "verify", "log", "--json").out)
    assert report["records"] == 3 and f"last hash: {report['last_hash']}\n" in done.out
    events = [line.split()[2] for line in place.cli("audit", "show", "log").out.splitlines()]
    assert events == ["EVENT", "start", "end", "refused"]
    last = place.cli("audit", "show", "log", "--last", "1", "--json").out
    assert json.loads(last)["hash"] == report["last_hash"] and json.loads(last)["event"] == "refused"

    kept = (place.path / "log").read_text()
    place.write("log", "".join(kept.splitlines(True)[:2]))
    failed(place.cli("audit", "verify", "log", "--expect", report["last_hash"]), DATA_LOSS, "cut off")
    place.write("log", kept.replace("refused", "allowed"))
    failed(place.cli("audit", "verify", "log"), DATA_LOSS, "line 3")


def test_audit_of_what_is_none(place):
    failed(place.cli("audit", "verify", "none"), NOT_FOUND, "none")
    failed(place.cli("audit", "show", "none"), NOT_FOUND, "none")
    failed(place.cli("audit", "show", place.write("text", "no log\n")), DATA_LOSS, "text", "warren audit verify")
    failed(place.cli("audit", "verify"), INPUT, "FILE", "missing")
    failed(place.cli("audit", "read", "x"), INPUT, "read", "verify, show")
    failed(place.cli("audit", "show", "text", "--expect", "0" * 64), INPUT, "--expect", "verify")
    failed(place.cli("audit", "verify", "text", "--last", "1"), INPUT, "--last", "show")
    failed(place.cli("audit", "verify", "text", "--expect", "zz"), INPUT, "64")


# ---- all of them ----


@pytest.mark.parametrize("command", ["run", "test", "orchestrate", "usage", "slo", "bench-slo", "audit"])
def test_help_has_examples(place, command):
    done = place.cli(command, "--help")
    assert done.code == 0 and "\nexamples:\n  warren " + command in done.out
    assert place.cli("help", command).out == done.out


def test_progress_on_a_terminal(place):
    place.write("tasks.jsonl", lines({"code": "import time; time.sleep(6)"}))
    with Terminal([warren.binary(), "orchestrate", str(place.path / "tasks.jsonl")], place.variables) as terminal:
        terminal.expect_match("0 of 1 tasks, 0 failed, [2-9] s")  # not each second has to be drawn
        terminal.expect("1 of 1 tasks succeeded")


def test_a_state_directory_that_cannot_be(place):
    done = place.cli("run", "--retry", "1", "-", stdin="print('not reached')", env={"WARREN_STATE_DIR": "/proc/nothing"})
    assert done.code not in (0, 1) and done.out == "" and "/proc/nothing" in done.err and "WARREN_STATE_DIR" in done.err
