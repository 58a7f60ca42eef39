"""Executions of code against a real server, by a C program that uses libwarren as an application does."""

import os
import re
import sqlite3
import threading

import pytest
import warren
from execution import TRUST, run

FACTORIAL = "def factorial(n):\n    return 1 if n <= 1 else n * factorial(n - 1)\nprint(factorial(5))"
SESSION = {"mode": "session"}


# What executions are for


def test_factorial(endpoint, none_left):
    outcome = run(endpoint, FACTORIAL)
    result = outcome[0]
    assert (result["success"], result["logs"], result["error"]) == (True, "120\n", None)
    assert (result["stdout"], result["stderr"], result["log_lines"]) == ("120\n", "", ["[stdout] 120"])
    assert result["execution_time_ms"] > 0 and result["sandbox_ms"] > 0 and result["sandbox_id"]
    assert (result["truncated"], result["cached"], result["language"]) == (False, False, "python")
    assert outcome.events == "120\n"


def test_errors_have_class_and_message(endpoint):
    outcome = run(endpoint, "x = 'a", "print('before')\nundefined_name", "1/0", "def f(n): return f(n + 1)\nf(0)", options=SESSION)
    assert [outcome[i]["success"] for i in range(4)] == [False] * 4
    assert outcome[0]["error"] == "SyntaxError: unterminated string literal (detected at line 1)"
    assert (outcome[1]["error"], outcome[1]["logs"]) == ("NameError: name 'undefined_name' is not defined", "before\n")
    assert (outcome[1]["error_name"], outcome[1]["error_value"]) == ("NameError", "name 'undefined_name' is not defined")
    assert "undefined_name" in outcome[1]["traceback"]
    assert outcome[2]["error"] == "ZeroDivisionError: division by zero"
    assert outcome[3]["error"].startswith("RecursionError: maximum recursion depth exceeded")


def test_assertions(endpoint):
    code = "def add(a, b):\n    return a + b\nassert add(2, 3) == 5\nassert add(-1, 1) == 0\nprint('All tests passed!')"
    assert run(endpoint, code)[0]["logs"].strip() == "All tests passed!"
    failed = run(endpoint, "assert 1 == 2, 'one is not two'")[0]
    assert (failed["success"], failed["error"]) == (False, "AssertionError: one is not two")


def test_pip_in_the_code(endpoint):
    code = "import os\nos.system('pip install requests')\nimport requests\nprint(requests.get('https://pypi.org').status_code)"
    result = run(endpoint, {"code": code, "timeout": 60, **TRUST})[0]
    assert result["success"] and result["stdout"].splitlines()[-1] == "200", result


def test_pip_in_the_code_of_what_no_template_has(endpoint):
    """The directory of the user's packages does not exist before, and the interpreter has looked for it already."""
    code = "try:\n    import inflection\nexcept ImportError:\n    import os; os.system('pip install -q inflection')\n    import inflection\nprint(inflection.__name__)"
    result = run(endpoint, {"code": code, "timeout": 60, **TRUST})[0]
    assert result["stdout"].splitlines()[-1:] == ["inflection"], result


def test_packages_are_installed_before(endpoint):
    outcome = run(endpoint, {"code": "import inflection; print(inflection.__name__)", "install": ["inflection>=0.5"], **TRUST},
                  {"code": "1", "install": ["no-such-package-of-warren-tests"], **TRUST}, options=SESSION)
    assert outcome[0]["stdout"] == "inflection\n"
    error = outcome.error(1)
    assert error["code"] == "failed_precondition" and "no-such-package-of-warren-tests" in error["message"], error


def test_without_packages(endpoint):
    outcome = run(endpoint, {"code": "1", "install": ["inflection"]},
                  {"code": "import os\nprint(os.system('pip install -q inflection 2>/dev/null') != 0)", "timeout": 60, **TRUST},
                  options={"no_install": True, **SESSION})
    assert outcome.error(0)["code"] == "invalid_argument" and "no_install" in outcome.error(0)["message"]
    assert outcome[1]["stdout"] == "True\n"


def test_refinement(endpoint):
    attempts = ["print(factoral(5))", "def factorial(n: return 1", FACTORIAL]
    result = run(endpoint, {}, refine=attempts, options=SESSION)[0]
    assert (result["success"], result["logs"], result["attempts"]) == (True, "120\n", 3)
    assert [one["error"].split(":")[0] for one in result["history"]] == ["NameError", "SyntaxError"]


def test_refinement_that_gives_up(endpoint):
    error = run(endpoint, {}, refine=["1/0"] * 3).error()
    assert error["code"] == "failed_precondition" and "ZeroDivisionError" in error["message"]


def test_a_cache_runs_it_once(endpoint):
    code = "import random; print(random.random())"
    outcome = run(endpoint, code, code, "1/0", "1/0", cache=True)
    assert outcome[0]["logs"] == outcome[1]["logs"]
    assert [outcome[i]["cached"] for i in range(4)] == [False, True, False, False]


# Input and output


def test_files_and_environment(endpoint):
    code = ("import os, pathlib, package.module as m\nprint(pathlib.Path('data/in.txt').read_text(), os.environ['MINE'],"
            " m.value, pathlib.Path('b.bin').read_bytes())")
    files = {"data/in.txt": "h\u00e9llo", "b.bin": {"base64": "AAH/"}, "package/__init__.py": "",
             "package/module.py": "from .other import value", "package/other.py": "value = 7"}
    result = run(endpoint, {"code": code, "files": files, "env": {"MINE": "x=y"}}, options={"env": {"MINE": "default"}})[0]
    assert result["stdout"] == "h\u00e9llo x=y 7 b'\\x00\\x01\\xff'\n", result


def test_environment_ends_with_its_execution(endpoint):
    code = "import os; print(os.environ.get('MINE'), os.environ.get('ALWAYS'))"
    outcome = run(endpoint, {"code": code, "env_vars": {"MINE": "1"}}, code, options={"env": {"ALWAYS": "2"}, **SESSION})
    assert (outcome[0]["stdout"], outcome[1]["stdout"]) == ("1 2\n", "None 2\n")


def test_the_trace_reaches_the_code(endpoint):
    code = "import os; print(os.environ['TRACEPARENT'], os.environ['TRACESTATE'], os.environ['WARREN_CORRELATION_ID'])"
    trace = "0123456789abcdef0123456789abcdef"
    result = run(endpoint, code, workflow={"traceparent": f"00-{trace}-00000000000000aa-01", "tracestate": "a=b", "correlation_id": "req-123"})[0]
    parent, state, correlation = result["stdout"].split()
    assert re.fullmatch(f"00-{trace}-[0-9a-f]{{16}}-01", parent) and "00000000000000aa" not in parent
    assert (state, correlation) == ("a=b", "req-123")


def test_awaiting_and_loops(endpoint):
    outcome = run(endpoint, "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')",
                  "import asyncio\nasync def main(): return 4\nprint(asyncio.run(main()))", options=SESSION)
    assert [outcome[i]["stdout"] for i in range(2)] == ["awaited\n", "4\n"]


def test_rich_results(endpoint):
    outcome = run(endpoint, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", "print('logged', end='')\n6 * 7", options=SESSION)
    assert any(result.get("png", "").startswith("iVBOR") for result in outcome[0]["results"]), outcome[0]
    assert (outcome[1]["logs"], outcome[1]["output"]) == ("logged", "logged\n42")


def test_streams_apart(endpoint):
    result = run(endpoint, "import sys\nprint('out')\nprint('err', file=sys.stderr)")[0]
    assert (result["stdout"], result["stderr"]) == ("out\n", "err\n")
    assert sorted(result["log_lines"]) == ["[stderr] err", "[stdout] out"]


def test_long_output_is_cut_at_characters(endpoint):
    outcome = run(endpoint, "print('\u20ac' * 20000)", "print('\u20ac' * 9999)", "print('x' * 30_000_000)", options=SESSION)
    assert (outcome[0]["stdout"], outcome[0]["truncated"]) == ("\u20ac" * 10000, True)
    assert (outcome[1]["stdout"], outcome[1]["truncated"]) == ("\u20ac" * 9999 + "\n", False)
    assert (outcome[2]["stdout"], outcome[2]["truncated"]) == ("x" * 10000, True)


@pytest.mark.parametrize(("language", "code", "shown"), [("javascript", "console.log([1, 2].map(x => x * 2).join())", "2,4\n"), ("bash", "echo $((6 * 7))", "42\n")])
def test_other_languages(endpoint, language, code, shown):
    result = run(endpoint, {"code": code, "language": language})[0]
    assert (result["stdout"], result["language"], result["success"]) == (shown, language, True), result


@pytest.mark.parametrize(("code", "success", "error"), [
    ("import sys; sys.exit(3)", False, "SystemExit: 3"), ("import sys; sys.exit(0)", True, None), ("import sys; sys.exit()", True, None),
    ("import sys; sys.exit(False)", True, None), ("raise SystemExit('bye')", False, "SystemExit: bye"), ("import os; os._exit(7)", False, None),
])
def test_exits(endpoint, code, success, error):
    result = run(endpoint, code)[0]
    assert result["success"] is success
    assert result["error"] == error if success or error else ":" in result["error"]


# Time and other ends


STUBBORN = {
    "loop": "while True: pass",
    "sleep": "import time; time.sleep(1e9)",
    "blocking C": "import ctypes; ctypes.CDLL(None).pause()",
    "catches all": "import time\nwhile True:\n    try:\n        time.sleep(1e9)\n    except BaseException:\n        pass",
}


# How many other processes want the processor; those that only end or begin do not count.
OTHERS_THAT_RUN = """
import os, pathlib, time

def running():
    count = 0
    for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            count += path.parent.name != str(os.getpid()) and ') R ' in path.read_text()
        except OSError:
            pass  # it has ended
    return count

for _ in range(200):
    count = running()
    if not count:
        break
    time.sleep(0.05)
print(count)
"""


@pytest.mark.parametrize("code", STUBBORN.values(), ids=STUBBORN)
def test_a_timeout_stops_the_code(endpoint, none_left, code):
    error = run(endpoint, {"code": code, "timeout": 1}).error()
    assert (error["code"], error["class"]) == ("deadline_exceeded", "timeout")
    assert "longer than 1 seconds" in error["message"]


@pytest.mark.parametrize("code", STUBBORN.values(), ids=STUBBORN)
def test_a_session_goes_on_after_a_timeout(endpoint, none_left, code):
    """The code has ended: nothing of it uses the processor, and the next cell runs in the same sandbox."""
    outcome = run(endpoint, "kept = 1", {"code": code, "timeout": 1}, OTHERS_THAT_RUN, options=SESSION)
    assert outcome.error(1)["code"] == "deadline_exceeded"
    assert outcome[2]["stdout"] == "0\n"
    assert outcome[2]["sandbox_id"] == outcome[0]["sandbox_id"]


def test_a_timeout_in_a_session_hits_nobody_else(endpoint, none_left):
    """Executions of a session take turns: their time does not run while they wait, and neither does one end for another's sake."""
    outcome = run(endpoint, {"code": STUBBORN["catches all"], "timeout": 8}, {"code": "import time; time.sleep(3); print('here')", "timeout": 10},
                  parallel=True, options=SESSION)
    assert outcome.error(0)["code"] == "deadline_exceeded"
    assert outcome[1]["stdout"] == "here\n"


def test_what_can_be_interrupted_keeps_its_variables(endpoint):
    outcome = run(endpoint, "kept = 1", {"code": "while True: pass", "timeout": 1}, "print(kept)", options=SESSION)
    assert outcome[2]["stdout"] == "1\n"


def test_the_time_of_the_workflow(endpoint, none_left):
    error = run(endpoint, "import time; time.sleep(60)", workflow={"timeout_ms": 3000}).error()
    assert error["code"] == "deadline_exceeded" and "workflow" in error["message"]


def test_a_sandbox_that_is_killed_under_the_code(service, endpoint):
    """An error of the service, of one of its two codes; a session has another sandbox for the next execution."""
    def runs():
        made = [one["sandboxID"] for one in service.list()]
        return [box for box in made for pid in service.host.members(box) if os.path.exists(f"/proc/{pid}/root/tmp/running")]

    def kill():
        service.request("DELETE", f"/sandboxes/{warren.wait_for(runs, 30, 'the code runs')[0]}", expect=204)

    thread = threading.Thread(target=kill)
    thread.start()
    outcome = run(endpoint, "import time; open('/tmp/running', 'w').close(); time.sleep(60)", "print('again')", options=SESSION)
    thread.join()
    error = outcome.error(0)
    assert error["class"] == "service" and error["code"] in {"unavailable", "aborted"}, error
    assert outcome[1]["stdout"] == "again\n"


def test_out_of_memory_is_an_error_of_the_code(endpoint):
    result = run(endpoint, "x = bytearray(1 << 62)")[0]
    assert (result["success"], result["error"]) == (False, "MemoryError")


@pytest.mark.parametrize(("given", "named"), [
    ({}, "code"), ({"code": 1}, "code"), ({"code": ""}, "code"), ({"code": "1", "timeout": 0}, "timeout"), ({"code": "1", "timeot": 1}, "timeot"),
    ({"code": "1", "files": {"a": 1}}, "files"), ({"code": "1", "install": ["--pre"]}, "install"), ({"code": "1", "env": {"a=": "1"}}, "env"),
])
def test_wrong_inputs(endpoint, given, named):
    error = run(endpoint, given).error()
    assert error["code"] == "invalid_argument" and named in error["message"]


# Modes


def test_over_tcp(tcp, none_left):
    outcome = run(tcp, FACTORIAL, {"code": "while True: pass", "timeout": 1}, {"code": "import os; print(os.getcwd())", "files": {"a/b": "c"}}, options=SESSION)
    assert (outcome[0]["logs"], outcome.error(1)["class"], outcome[2]["stdout"]) == ("120\n", "timeout", "/home/user\n")


def test_a_session_keeps_its_sandbox(endpoint, none_left):
    outcome = run(endpoint, "x = 41", "x += 1", "print(x)", options=SESSION)
    assert outcome[2]["stdout"] == "42\n"
    assert len({outcome[i]["sandbox_id"] for i in range(3)}) == 1


@pytest.mark.parametrize("mode", ["ephemeral", "pooled"])
def test_others_start_clean(endpoint, none_left, mode):
    outcome = run(endpoint, "x = 1\nopen('trace', 'w').close()", "import os; print(os.path.exists('trace'), 'x' in globals())",
                  options={"mode": mode})
    assert outcome[1]["stdout"] == "False False\n"
    assert outcome[0]["sandbox_id"] != outcome[1]["sandbox_id"]


def test_many_at_once(endpoint, none_left):
    outcome = run(endpoint, *[f"print({i})" for i in range(20)], parallel=True)
    assert [outcome[i]["stdout"] for i in range(20)] == [f"{i}\n" for i in range(20)]


# What is told


def test_records_metrics_and_ledger(endpoint, tmp_path):
    ledger = tmp_path / "ledger.db"
    outcome = run(endpoint, "print('\u20ac')", "1/0", {}, {"code": "while True: pass", "timeout": 0.5},
                  workflow={"correlation_id": "req-123"}, options={"ledger_path": str(ledger), **SESSION})
    first, second, third, fourth = outcome.records
    assert first["primitive"] == "CodeExecutionPrimitive" and first["correlation_id"] == "req-123"
    assert (first["success"], first["code_length"], first["execution_time_ms"]) == (True, 10, outcome[0]["execution_time_ms"])
    assert (second["success"], second["error_class"]) == (False, "code")
    assert (third["error_class"], fourth["error_class"]) == ("input", "timeout")
    for line in ["code_execution_requests_total 4", "code_execution_success_total 1", 'code_execution_error_total{class="code"} 1',
                 'code_execution_error_total{class="input"} 1', 'code_execution_error_total{class="timeout"} 1',
                 "code_execution_duration_seconds_count 3", "code_execution_active 0"]:
        assert f"\n{line}\n" in outcome.metrics, line
    rows = sqlite3.connect(ledger).execute("select code_succeeded, error_code, language, template from executions order by id").fetchall()
    assert rows == [(1, 0, "python", "code-interpreter-v1"), (0, 0, "python", "code-interpreter-v1"), (0, 4, "python", "code-interpreter-v1")]
