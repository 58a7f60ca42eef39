"""The code interpreter through its official Python SDK: cells, results, streams, contexts, environment, limits of time, death."""

import base64
import concurrent.futures
import io
import json
import queue
import threading
import time
import zipfile

import e2b
import pytest


def out(execution):
    return "".join(execution.logs.stdout)


def err(execution):
    return "".join(execution.logs.stderr)


def ran(execution):
    """The execution, when it did not fail."""
    assert execution.error is None, f"{execution.error.name}: {execution.error.value}\n{execution.error.traceback}"
    return execution


def test_value_of_the_last_expression(box):
    execution = ran(box.run_code("x = 1; x"))
    assert execution.text == "1" and execution.results[0].is_main_result
    assert len(execution.results) == 1


def test_state_stays(box):
    ran(box.run_code("kept = [1, 2]"))
    assert ran(box.run_code("kept.append(3); len(kept)")).text == "3"


def test_count_goes_on_after_failures(fresh):
    box = fresh()
    assert box.run_code("this is no Python").error.name == "SyntaxError"
    assert ran(box.run_code("!pwd")).execution_count == 2


def test_shell_command(box):
    assert out(ran(box.run_code("!pwd"))).strip() == "/home/user"


def test_indented_code(box):
    assert ran(box.run_code("\n    a = 2\n    if a:\n        a = 3\n    a\n")).text == "3"


def test_top_level_await(box):
    assert ran(box.run_code("import asyncio\nawait asyncio.sleep(0.01, 'slept')")).text == "slept"


def test_magics(box):
    assert "Wall time" in out(ran(box.run_code("%%time\n1")))
    assert ran(box.run_code("%%capture taken\nprint('hidden')")).logs.stdout == []
    assert ran(box.run_code("taken.stdout.strip()")).text == "hidden"
    assert out(ran(box.run_code("%%bash\necho from $BASH_VERSION | cut -c1-6"))) == "from 5\n"


def test_strings_lose_their_quotes(box):
    assert ran(box.run_code("'abc'")).text == "abc"


def test_stdout_is_one_message_for_each_print(box):
    seen = []
    execution = ran(box.run_code("print('hello')", on_stdout=seen.append))
    assert execution.logs.stdout == ["hello\n"]
    assert len(seen) == 1 and seen[0].line == "hello\n" and not seen[0].error
    assert ran(box.run_code("for i in range(3): print(i, 'of', 3)")).logs.stdout == ["0 of 3\n", "1 of 3\n", "2 of 3\n"]


def test_stderr(box):
    seen = []
    execution = ran(box.run_code("import sys; print('oh', file=sys.stderr)", on_stderr=seen.append))
    assert execution.logs.stderr == ["oh\n"] and [one.error for one in seen] == [True]


def test_output_of_programs_and_c_code(box):
    execution = ran(box.run_code(
        "import os, subprocess\nprint('first')\nsubprocess.run('echo second; echo third >&2', shell=True)\nos.write(1, b'fourth\\n')"))
    assert out(execution).split() == ["first", "second", "fourth"] and err(execution) == "third\n"


def test_output_comes_while_the_cell_runs(box):
    """The cell goes on when what it has printed was seen."""
    seen = queue.Queue()
    code = ("import os, time\nfor i in range(4):\n    print(i)\n"
            "    while not os.path.exists(f'/tmp/seen-{i}'): time.sleep(0.01)")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(box.run_code, code, on_stdout=lambda message: seen.put(message.line), timeout=120)
        for i in range(4):
            assert seen.get(timeout=60) == f"{i}\n"
            box.files.write(f"/tmp/seen-{i}", "")
        ran(running.result(60))
    assert seen.empty()


def test_a_line_that_does_not_end_yet(box):
    """A progress bar shows before its line is complete."""
    seen = threading.Event()

    def on_stdout(message):
        if "half" in message.line:
            seen.set()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # Such text is sent at once when none was for a while.
        code = ("import os, time\ntime.sleep(0.1)\nprint('half', end='')\n"
                "while not os.path.exists('/tmp/rest'): time.sleep(0.01)\nprint(' done')")
        running = pool.submit(box.run_code, code, on_stdout=on_stdout)
        assert seen.wait(60)
        box.files.write("/tmp/rest", "")
        assert out(ran(running.result(60))) == "half done\n"


def test_results_and_errors_come_by_callback(box):
    results, errors = [], []
    ran(box.run_code("1", on_result=results.append))
    assert [result.text for result in results] == ["1"]
    execution = box.run_code("no_such_name", on_error=errors.append)
    assert [error.name for error in errors] == ["NameError"] and execution.error.name == "NameError"
    assert execution.error.value == "name 'no_such_name' is not defined" and "no_such_name" in execution.error.traceback
    assert "\x1b" not in execution.error.traceback


@pytest.mark.parametrize("code,name,value", [
    ("raise SystemExit(3)", "SystemExit", "3"),
    ("import sys; sys.exit('bye')", "SystemExit", "bye"),
    ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd()", "Odd", None),
    ("def f(): f()\nf()", "RecursionError", None),
    ("raise ExceptionGroup('two', [ValueError(1), TypeError(2)])", "ExceptionGroup", None),
])
def test_errors_do_not_end_the_context(box, code, name, value):
    ran(box.run_code("before = 7"))
    error = box.run_code(code).error
    assert error.name == name and (value is None or error.value == value)
    assert ran(box.run_code("before")).text == "7"


def test_input_is_refused(box):
    error = box.run_code("input('name? ')").error
    assert "StdinNotImplemented" in error.name and "input" in error.value


FORMATS = {
    "html": ("display(HTML('<b>x</b>'))", "<b>x</b>"),
    "markdown": ("display(Markdown('# x'))", "# x"),
    "svg": ("display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>'))", None),
    "latex": ("display(Latex('$x$'))", "$x$"),
    "json": ("display(JSON({'a': [1, None]}))", {"a": [1, None]}),
    "javascript": ("display(Javascript('1+1'))", "1+1"),
    "jpeg": ("from PIL import Image as P\nimport io\nb=io.BytesIO()\nP.new('RGB',(4,4)).save(b,'jpeg')\ndisplay(Image(b.getvalue(), format='jpeg'))", None),
    "png": ("from PIL import Image as P\nP.new('RGB',(4,4))", None),
    "pdf": ("display({'application/pdf': 'JVBERi0='}, raw=True)", "JVBERi0="),
}


@pytest.mark.parametrize("form", FORMATS)
def test_formats(box, form):
    code, expected = FORMATS[form]
    execution = ran(box.run_code("from IPython.display import *\n" + code))
    value = getattr(execution.results[0], form)
    assert form in list(execution.results[0].formats())
    if form in ("png", "jpeg"):
        assert base64.b64decode(value)[:3] in (b"\x89PN", b"\xff\xd8\xff")
    elif expected is None:
        assert value.startswith("<svg")
    else:
        assert value == expected


def test_raw_bundle_and_other_types(box):
    execution = ran(box.run_code("display({'text/latex': '$y$'}, raw=True)\ndisplay({'application/x-mine': {'a': 1}}, raw=True)"))
    assert list(execution.results[0].formats()) == ["latex"]
    assert execution.results[1].extra == {"application/x-mine": {"a": 1}}
    assert not execution.results[0].is_main_result


def test_dict_and_list_are_json_too(box):
    execution = ran(box.run_code("{'a': 1, 2: [None, True]}"))
    assert execution.results[0].json == {"a": 1, "2": [None, True]}
    assert execution.text == "{'a': 1, 2: [None, True]}"


def test_long_values_are_not_cut(box):
    assert ran(box.run_code("list(range(2000))")).text.endswith("1999]")


def test_data_frame(box):
    execution = ran(box.run_code("""
        import pandas as pd
        pd.DataFrame({"a": [1, 2, 3], "t": pd.to_datetime(["2024-01-01", "2024-01-02", None]), "f": [1.5, float("nan"), float("inf")]})
    """))
    result = execution.results[0]
    assert result.data["a"] == [1, 2, 3] and result.data["t"][0].startswith("2024-01-01")
    assert len(result.data["f"]) == 3 and "<table" in result.html and "a" in result.text
    json.dumps(result.data, allow_nan=False)


def test_series_has_no_data(box):
    assert ran(box.run_code("pd.Series([1, 2])")).results[0].data is None


@pytest.mark.parametrize("text", ["grüße 東京 🦊 \u0301", "line\u2028para\u2029nel\u0085end", "\x00\x1b[31m\ttab\r\n", "\ud800 lone"])
def test_unicode(box, text):
    execution = ran(box.run_code(f"t = {text!a}\nprint(t)\nt"))
    expected = text.replace("\ud800", "?")
    assert out(execution).replace("\ufffd", "?") == expected + "\n"


def test_split_characters_of_a_program(box):
    """Bytes of one character that arrive apart."""
    code = ("import os, time\n"
            "for byte in '🦊é'.encode(): os.write(1, bytes([byte])); time.sleep(0.02)\n"
            "os.write(1, b'\\xff\\n')")
    assert out(ran(box.run_code(code))) == "🦊é\ufffd\n"


def test_much_output(box):
    total = 0

    def count(message):
        nonlocal total
        total += len(message.line)

    ran(box.run_code("line = 'x' * 999\nfor _ in range(50_000): print(line)", on_stdout=count, timeout=120))
    assert total == 50_000_000
    assert ran(box.run_code("1 + 1")).text == "2"


def test_a_large_result(box):
    assert len(ran(box.run_code("'y' * 8_000_000")).text) == 8_000_000


def test_environment_of_the_sandbox(fresh):
    box = fresh(envs={"FOO": "bar", "ODD": "a'b\"c\\n$d\ne"})
    assert ran(box.run_code("import os; os.getenv('FOO')")).text == "bar"
    assert ran(box.run_code("os.environ['ODD']")).text.encode().decode("unicode_escape") == "a'b\"c\\n$d\ne"
    assert ran(box.run_code("os.environ['E2B_SANDBOX_ID']")).text == box.sandbox_id


@pytest.mark.parametrize("language,read", [
    ("python", "import os; print(os.environ.get('FOO'))"),
    ("javascript", "console.log(process.env.FOO ?? 'None')"),
    ("typescript", "console.log(process.env.FOO ?? 'None')"),
    ("bash", "echo \"${FOO-None}\""),
])
def test_environment_of_one_call(fresh, language, read):
    box = fresh()
    odd = "a'b\"c\\n$d\ne"
    assert out(ran(box.run_code(read, language=language, envs={"FOO": odd}))) == odd + "\n"
    assert out(ran(box.run_code(read, language=language))) == "None\n"
    other = fresh(envs={"FOO": "sandbox"})
    assert out(ran(other.run_code(read, language=language, envs={"FOO": "call"}))) == "call\n"
    assert out(ran(other.run_code(read, language=language))) == "sandbox\n"


LANGUAGES = {
    "python": ("from pathlib import Path; print(Path.cwd())", "print('Hello')"),
    "javascript": ("console.log(process.cwd())", "console.log('Hello')"),
    "typescript": ("console.log(process.cwd())", "const s: string = 'Hello'; console.log(s)"),
    "bash": ("pwd", "echo Hello"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages(box, language):
    where, hello = LANGUAGES[language]
    assert out(ran(box.run_code(where, language=language))) == "/home/user\n"
    assert ran(box.run_code(hello, language=language)).logs.stdout == ["Hello\n"]


def test_javascript_is_a_repl(box):
    def js(code, language="js"):
        return ran(box.run_code(code, language=language))

    assert out(js("import { readFileSync } from 'fs'\nconsole.log(typeof readFileSync)")) == "function\n"
    assert js("Promise.resolve('Hello World!')").text == "Hello World!"
    assert js("await new Promise((done) => setTimeout(() => done(41), 10)) + 1").text == "42"
    js("const twice = 1")
    assert js("const twice = 2; twice").text == "2"
    assert js("twice + 1").text == "3"
    assert js("interface P { a: number }; const p: P = { a: 5 }; p.a", "ts").text == "5"
    assert box.run_code("throw new TypeError('no')", language="js").error.name == "TypeError"
    assert box.run_code("let = = 3", language="js").error.name == "SyntaxError"


def test_bash_keeps_its_state(box):
    def bash(code):
        return box.run_code(code, language="bash")

    ran(bash("cd /tmp; var=7; f() { echo \"f $1\"; }"))
    assert out(ran(bash("pwd; echo $var; f x"))) == "/tmp\n7\nf x\n"
    failed = bash("echo before; false")
    assert out(failed) == "before\n" and failed.error and "1" in failed.error.value
    assert bash("echo 'unterminated").error
    assert out(ran(bash("echo $var"))) == "7\n"


def test_languages_that_the_template_lacks(box):
    with pytest.raises(e2b.SandboxException, match="code-interpreter-full"):
        box.run_code("1", language="r")
    with pytest.raises(e2b.SandboxException, match="cobol"):
        box.run_code("1", language="cobol")


def test_contexts(fresh):
    box = fresh()
    listed = box.list_code_contexts()
    assert [one.language for one in listed[:2]] == ["python", "javascript"]
    made = box.create_code_context(cwd="/tmp", language="python")
    assert (made.language, made.cwd) == ("python", "/tmp")
    last = box.list_code_contexts()[-1]
    assert (last.id, last.language, last.cwd) == (made.id, "python", "/tmp")
    assert ran(box.run_code("import os; os.getcwd()", context=made)).text == "/tmp"
    ran(box.run_code("x = 1", context=made))
    assert box.run_code("x").error.value == "name 'x' is not defined"
    box.restart_code_context(made)
    assert box.run_code("x", context=made).error.name == "NameError"
    assert ran(box.run_code("import os; os.getcwd()", context=made)).text == "/tmp"
    box.remove_code_context(made)
    assert made.id not in [one.id for one in box.list_code_contexts()]
    with pytest.raises(e2b.NotFoundException):
        box.run_code("1", context=made)
    with pytest.raises(e2b.NotFoundException):
        box.remove_code_context(made.id)


def test_a_directory_that_only_root_may_enter(box):
    made = box.create_code_context(cwd="/root")
    assert made.cwd == "/root"
    box.remove_code_context(made)


def test_a_directory_that_is_not_there(box):
    with pytest.raises(e2b.SandboxException, match="/no/such"):
        box.create_code_context(cwd="/no/such")


def test_default_contexts_come_back(fresh):
    box = fresh()
    ran(box.run_code("x = 1"))
    default = box.list_code_contexts()[0]
    box.restart_code_context(default)
    assert box.run_code("x").error.name == "NameError"
    box.remove_code_context(default)
    assert ran(box.run_code("2 + 2")).text == "4"
    assert ran(box.run_code("3 + 3", language="python")).text == "6"


def test_context_and_language_together(box):
    made = box.create_code_context()
    with pytest.raises(e2b.InvalidArgumentException):
        box.run_code("1", context=made, language="python")
    box.remove_code_context(made)


def test_one_context_runs_one_cell_at_a_time(box):
    """In the order of arrival."""
    ran(box.run_code("import os, time\norder = []"))
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        running = []
        for i in range(5):
            wait = "\nwhile not os.path.exists('/tmp/all-wait'): time.sleep(0.01)" if i == 0 else ""
            running.append(pool.submit(box.run_code, f"order.append({i}){wait}\norder.append({i})"))
            time.sleep(0.5)  # nobody can see a cell that waits: this is long compared with a request
        box.files.write("/tmp/all-wait", "")
        for one in running:
            ran(one.result(60))
    assert ran(box.run_code("order")).text == "[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]"


def test_contexts_run_in_parallel(box):
    """Each of twenty waits for all others: one after the other would never end."""
    made = [box.create_code_context() for _ in range(20)]
    code = ("import os, time\nopen('/tmp/meet-' + str({i}), 'w').close()\n"
            "while sum(n.startswith('meet-') for n in os.listdir('/tmp')) < 20: time.sleep(0.01)\n{i}")
    try:
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            running = [pool.submit(box.run_code, code.format(i=i), context=one, timeout=100) for i, one in enumerate(made)]
            assert [ran(one.result(110)).text for one in running] == [str(i) for i in range(20)]
    finally:
        for one in made:
            box.remove_code_context(one)


def test_interrupt_by_timeout(box):
    ran(box.run_code("survivor = 5; import time"))
    with pytest.raises(e2b.TimeoutException):
        box.run_code("time.sleep(300)", timeout=2)
    assert ran(box.run_code("survivor", timeout=60)).text == "5"
    with pytest.raises(e2b.TimeoutException):
        box.run_code("while True: pass", timeout=1)
    assert ran(box.run_code("survivor + 1", timeout=60)).text == "6"
    with pytest.raises(e2b.TimeoutException):
        box.run_code("!sleep 300", timeout=1)
    assert ran(box.run_code("survivor + 2", timeout=60)).text == "7"


@pytest.mark.parametrize("language,endless,check,expected", [
    ("javascript", "while (true) {}", "kept", "5"), ("javascript", "await new Promise(() => {})", "kept", "5")])
def test_interrupt_of_javascript_keeps_its_state(box, language, endless, check, expected):
    ran(box.run_code("var kept = 5", language=language))
    with pytest.raises(e2b.TimeoutException):
        box.run_code(endless, language=language, timeout=1)
    assert ran(box.run_code(check, language=language, timeout=60)).text == expected


def test_a_cell_that_waits_and_is_left_never_runs(fresh):
    box = fresh()
    ran(box.run_code("import os, time\nran = []"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        code = "print('begun')\nwhile not os.path.exists('/tmp/left'): time.sleep(0.01)\nran.append('long')"
        begun = threading.Event()
        long = pool.submit(box.run_code, code, on_stdout=lambda _: begun.set(), timeout=120)
        assert begun.wait(60)
        with pytest.raises(e2b.TimeoutException):
            box.run_code("ran.append('left')", timeout=1)
        time.sleep(2)  # until the agent has heard of it, which nobody can see
        box.files.write("/tmp/left", "")
        ran(long.result(60))
    assert ran(box.run_code("ran")).text == "['long']"


@pytest.mark.parametrize("end", ["import os; os._exit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"])
def test_death_of_the_interpreter(box, end):
    ran(box.run_code("gone = 1"))
    execution = box.run_code(end)
    assert (execution.error.name, execution.error.value) == ("ContextRestarting", "Context was restarted")
    assert box.run_code("gone").error.name == "NameError"


def test_out_of_memory(fresh):
    box = fresh()
    execution = box.run_code("hoard = []\nwhile True: hoard.append(bytearray(b'x') * (16 << 20))", timeout=120)
    assert execution.error.name in ("ContextRestarting", "MemoryError")
    assert ran(box.run_code("1 + 1", timeout=60)).text == "2"


def test_the_sandbox_is_killed_while_a_cell_runs(fresh):
    box = fresh()
    ran(box.run_code("import time"))
    killer = threading.Thread(target=box.kill)
    with pytest.raises(e2b.TimeoutException, match="killed while the request was in progress"):
        box.run_code("print('begun')\ntime.sleep(300)", on_stdout=lambda _: killer.start(), timeout=120)
    killer.join()


def test_connect(box, interpreter):
    ran(box.run_code("here = 9"))
    assert ran(interpreter.Sandbox.connect(box.sandbox_id).run_code("here")).text == "9"


def test_insecure_and_private_sandboxes(fresh):
    assert ran(fresh(secure=False).run_code("x = 1; x")).text == "1"
    private = fresh(network={"allow_public_traffic": False})
    made = private.create_code_context()
    assert ran(private.run_code("1", context=made)).text == "1"


def wheel(name):
    """A package of pure Python."""
    data = io.BytesIO()
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "value = 77\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return data.getvalue()


def test_pip_install(fresh):
    """Of a wheel that was uploaded: what is installed can be imported in the same context."""
    box = fresh()
    box.files.write("/tmp/treasure-1.0-py3-none-any.whl", wheel("treasure"))
    execution = ran(box.run_code("%pip install --no-index /tmp/treasure-1.0-py3-none-any.whl", timeout=120))
    assert "Successfully installed treasure-1.0" in out(execution)
    assert ran(box.run_code("import treasure; treasure.value")).text == "77"


def test_files_of_cells_belong_to_the_user(box):
    ran(box.run_code("open('/home/user/made', 'w').write('x')"))
    assert box.commands.run("stat -c %U /home/user/made; echo y > /home/user/made").stdout == "user\n"
    assert out(ran(box.run_code("!sudo id -un"))).strip() == "root"


def test_execution_needs_the_token(box, served):
    """The host name of a sandbox is no secret, its token is."""
    import httpx

    url = f"https://{box.get_host(49999)}"
    assert httpx.get(f"{url}/health", timeout=30).json() == "OK"
    assert httpx.post(f"{url}/execute", json={"code": "1"}, timeout=30).status_code == 401


@pytest.mark.parametrize("body,status", [
    ({}, 422), ({"code": 5}, 422), ({"code": None}, 422), ({"code": "1", "env_vars": {"A": 1}}, 422), ({"code": "1", "context_id": 5}, 422),
    ({"code": "1", "context_id": "nothing"}, 404), ({"code": "1", "context_id": "a", "language": "python"}, 400),
])
def test_bad_requests(box, body, status):
    import httpx

    answer = httpx.post(f"https://{box.get_host(49999)}/execute", json=body, timeout=30, headers={"X-Access-Token": token_of(box)})
    assert answer.status_code == status
    assert status != 422 or answer.json()["detail"]


def token_of(box):
    return getattr(box, "_inner", box)._envd_access_token
