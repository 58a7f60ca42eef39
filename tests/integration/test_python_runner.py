"""The Python runner by itself, in the files of the template: what a cell means. Its service has tests of its own."""

import os
import pathlib
import signal
import time

import pytest
import warren
from runner import Runner


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A context that the tests of this file share: they depend on nothing that another left."""
    with Runner(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture
def started(tmp_path):
    """Starts contexts that end with the test: started(env={...})."""
    made = []

    def start(**options):
        directory = tmp_path / str(len(made))
        directory.mkdir()
        made.append(Runner(directory, **options))
        return made[-1]

    yield start
    for one in made:
        one.__exit__()


def value(runner, code, **options):
    """Text of the last expression of a cell that does not fail."""
    cell = runner.run(code, **options)
    assert cell.error is None, cell.error["traceback"]
    return cell.text


# Values and counting


def test_the_last_expression_is_the_result(shared):
    cell = shared.run("x = 20\nx + 1")
    assert cell.lines == [{"type": "result", "text": "21", "extra": {}, "is_main_result": True}]


@pytest.mark.parametrize(("code", "text"), [
    ("'abc'", "abc"), ('"it\'s"', "it's"), ("1.0", "1.0"), ("b'x'", "b'x'"), ("'x';", None), ("None", None), ("x = 1", None),
    ("    y = 1\n    y", "1"), ("list(range(1100))[-1]", "1099"), ("__name__", "__main__"), ("s = '\\ud800'; s", "\\ud800"),
])
def test_text_of_results(shared, code, text):
    assert value(shared, code) == text


def test_long_values_are_not_cut(shared):
    assert value(shared, "list(range(2000))").endswith("1999]")


def test_every_cell_counts(started):
    runner = started()
    codes = ["1", "x = = 1", "1/0", "!true", "%nonexistent", "raise SystemExit", "%%nonexistent\n1", "pass"]
    assert [runner.run(code).count for code in codes] == list(range(1, len(codes) + 1))


def test_silent_cells_show_nothing_but_errors(started):
    runner = started()
    cell = runner.run("print(1); z = 5; display(2); z", silent=True)
    assert (cell.events, cell.count) == ([], None)
    assert runner.run("1/0", silent=True).error["name"] == "ZeroDivisionError"
    after = runner.run("z")
    assert (after.text, after.count) == ("5", 1)


def test_results_of_earlier_cells(shared):
    shared.run("%%nonexistent\nx")
    count = shared.run("'first'").count
    assert value(shared, f"_, Out[{count}], In[{count}]") == "('first', 'first', \"'first'\")"


# Text


def test_text_and_results_keep_their_order(shared):
    cell = shared.run("import sys\nprint('a', end='')\nprint('b', end='', file=sys.stderr)\nprint('c')\ndisplay(1)\nprint('d')\n2")
    merged = "".join(event if isinstance(event, str) else event[1] for event in cell.events)
    assert merged == "abc\nresultd\nresult"


def test_text_is_sent_at_once(shared):
    """Also without a line break and without flush(), if nothing was sent for a while."""
    shared.start("import time\ntime.sleep(0.05)\nprint('working...', end='')\ntime.sleep(30)")
    assert shared.receive()[0] == "C"
    assert shared.receive(20) == ("o", b"working...")
    shared.interrupt()
    shared.finish()


def test_unicode(shared):
    cell = shared.run("print('é☃\\u2028😀' * 40000, end=''); print('\\ud800!', end='')")
    assert cell.stdout == "é☃\u2028😀" * 40000 + "?!"
    assert shared.run("display({'text/plain': 'a\\ud800é'}, raw=True)").results[0]["text"] == "a?é"


def test_bytes_and_descriptors_of_streams(shared):
    cell = shared.run("import sys\nfor part in 'é'.encode(): sys.stdout.buffer.write(bytes([part]))\n"
                      "sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.closed")
    assert (cell.stdout, cell.text) == ("é", "(1, 2, False, 'utf-8', False)")


def test_streams_cannot_be_closed(shared):
    assert shared.run("import sys\nsys.stdout.close(); print('still')").stdout == "still\n"


def test_text_of_threads(shared):
    cell = shared.run("import threading\n"
                      "def work(n):\n    for i in range(500): print(f'{n}:{i}')\n"
                      "threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
                      "for t in threads: t.start()\nfor t in threads: t.join()")
    lines = sorted(line for line in cell.stdout.replace("\n", " ").split())
    assert len("".join(lines)) == sum(len(f"{n}:{i}") for n in range(4) for i in range(500))


def test_text_of_children(shared):
    """What user code forks writes to the pipes, and never speaks to the agent."""
    shared.captured[1] = b""
    cell = shared.run("import os\npid = os.fork()\nif pid == 0:\n    print('forked')\nelse:\n    status = os.waitpid(pid, 0)[1]\n")
    assert (cell.error, shared.captured[1]) == (None, b"forked\n")
    assert value(shared, "status") == "0"
    shared.run("import subprocess\nsubprocess.run(['echo', 'child'])\nimport ctypes\nctypes.CDLL(None).printf(b'from C\\n')")
    assert sorted(shared.captured[1].splitlines()) == [b"child", b"forked", b"from C"]


def test_multiprocessing(shared):
    assert value(shared, "def square(x): return x * x\nimport multiprocessing\n"
                         "with multiprocessing.Pool(2) as pool: squares = pool.map(square, [1, 2, 3])\nsquares") == "[1, 4, 9]"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_that_starts_a_python_of_its_own(shared, method):
    code = f"import multiprocessing\nwith multiprocessing.get_context({method!r}).Pool(2) as pool: lengths = pool.map(len, ['a', 'bc'])\nlengths"
    assert value(shared, code) == "[1, 2]"


# Errors


@pytest.mark.parametrize(("code", "name", "text"), [
    ("undefined_name", "NameError", "name 'undefined_name' is not defined"),
    ("1/0", "ZeroDivisionError", "division by zero"),
    ("def f(:", "SyntaxError", None),
    ("x = (", "SyntaxError", None),
    ("if 1:\nprint(1)", "IndentationError", None),
    ("import sys; sys.exit(3)", "SystemExit", "3"),
    ("raise SystemExit('bye')", "SystemExit", "bye"),
    ("exit", "SystemExit", ""),
    ("quit(4)", "SystemExit", "4"),
    ("%nonexistent", "UsageError", "Line magic function `%nonexistent` not found."),
    ("class Own(Exception): pass\nraise Own('é')", "Own", "é"),
    ("def f(n): return f(n + 1)\nf(0)", "RecursionError", "maximum recursion depth exceeded"),
    ("raise ExceptionGroup('g', [ValueError(1)])", "ExceptionGroup", "g (1 sub-exception)"),
    ("class Mute(Exception):\n    def __str__(self): raise ValueError\n    __repr__ = __str__\nraise Mute", "Mute", None),
    ("class Bad:\n    def __repr__(self): raise RuntimeError('bad')\nBad()", "RuntimeError", "bad"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
    ("bytearray(1 << 62)", "MemoryError", ""),
    ("input('name? ')", "StdinNotImplementedError", None),
    ("import getpass; getpass.getpass()", "StdinNotImplementedError", None),
    ("await 1", "TypeError", None),
])
def test_errors(shared, code, name, text):
    cell = shared.run(code)
    assert cell.error["name"] == name
    assert name in cell.error["traceback"] and "\x1b" not in cell.error["traceback"]
    assert text is None or cell.error["value"] == text
    assert value(shared, "1") == "1"


def test_traceback_shows_the_cell(shared):
    trace = shared.run("def broken():\n    return 1 / 0\nbroken()").error["traceback"]
    assert "----> 3 broken()" in trace and "return 1 / 0" in trace and "warren_runner" not in trace


def test_errors_in_threads_are_text(shared):
    cell = shared.run("import threading, sys\nfor f in (lambda: 1/0, lambda: sys.exit(3)):\n"
                      "    t = threading.Thread(target=f); t.start(); t.join()")
    assert cell.error is None and "ZeroDivisionError" in cell.stderr and "SystemExit" not in cell.stderr


def test_the_end_of_the_process(started):
    runner = started()
    runner.start("import os; print('last words'); os._exit(7)")
    with pytest.raises(EOFError):
        runner.finish()
    assert runner.process.wait(20) == 7


def test_what_a_cell_installs_for_the_user_can_be_imported(started):
    runner = started()
    code = ("import site, pathlib\nown = pathlib.Path(site.getusersitepackages())\nbefore = own.exists()\n"
            "try:\n    import made_by_cell\nexcept ImportError as error:\n    first = str(error)\n"
            "own.mkdir(parents=True)\n(own / 'made_by_cell.py').write_text('answer = 42')\n"
            "import made_by_cell\n(before, first, made_by_cell.answer)")
    assert value(runner, code) == "(False, \"No module named 'made_by_cell'\", 42)"


# Interrupts


@pytest.mark.parametrize("code", [
    "import time; print('go'); time.sleep(300)",
    "print('go')\nwhile True: pass",
    "print('go')\nwhile True: print('x' * 100)",
    "import asyncio\nprint('go')\nawait asyncio.sleep(300)",
    "import threading; print('go'); threading.Event().wait()",
    "!echo go; sleep 300",
    "import subprocess; print('go'); subprocess.run(['sleep', '300'])",
    "%%bash\necho go\nsleep 300",
])
def test_interrupt(shared, code):
    started_at = time.monotonic()
    cell = shared.interrupt_after(code, "go")
    assert time.monotonic() - started_at < 60
    # IPython's %%bash reports an interrupt as the failure of its command.
    assert cell.error["name"] in ("KeyboardInterrupt", "CalledProcessError"), cell.error
    assert value(shared, "1 + 1") == "2"


def test_interrupted_await_says_where(shared):
    cell = shared.interrupt_after("import asyncio\nprint('go')\nawait asyncio.sleep(300)", "go")
    assert cell.error["name"] == "KeyboardInterrupt" and "await asyncio.sleep(300)" in cell.error["traceback"]


def test_cells_can_handle_interrupts(shared):
    cell = shared.interrupt_after("import time\ntry:\n    print('go'); time.sleep(300)\n"
                                  "except KeyboardInterrupt:\n    print('handled')", "go")
    assert cell.error is None and cell.stdout.endswith("handled\n")


def test_interrupts_between_cells_do_nothing(shared):
    for _ in range(3):
        shared.interrupt()
    assert value(shared, "5") == "5"
    assert shared.run("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)").error is None
    shared.interrupt()
    assert value(shared, "6") == "6"


def test_frames_survive_exceptions_of_signal_handlers(started):
    """An alarm that raises while text is sent: each frame is whole (the reader would notice)."""
    runner = started()
    cell = runner.run("""
import signal
class Alarm(Exception): pass
def ring(*_): raise Alarm
signal.signal(signal.SIGALRM, ring)
rung = 0
while rung < 50:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        while True: print('x' * 3000)
    except Alarm:
        rung += 1
rung
""")
    assert cell.text == "50" and set(cell.stdout) == {"x", "\n"}


def test_alarms_that_go_off_after_their_cell(started):
    runner = started()
    # They end by themselves: where a cell takes longer to begin than from one to the next, it could not end them.
    runner.run("""
import signal
rung = 0
def ring(*_):
    global rung
    rung += 1
    if rung >= 500: signal.setitimer(signal.ITIMER_REAL, 0, 0)
    raise TimeoutError('late')
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
""")
    time.sleep(0.2)
    for _ in range(20):
        runner.run("print('x' * 100000)")
    off = "signal.setitimer(signal.ITIMER_REAL, 0, 0); 'off'"
    warren.wait_for(lambda: runner.run(off).text == "off", 60, "one gets through")
    runner.run("pass")  # the last one may have gone off meanwhile
    assert value(runner, "1") == "1"


# Environment


def test_environment_is_the_given_one(started):
    runner = started(env={"GIVEN": "1", "TZ": "Asia/Tokyo"}, cwd="/tmp")
    assert value(runner, "import os; sorted(os.environ)") == "['GIVEN', 'HOME', 'LANG', 'PATH', 'TZ', 'USER']"
    assert value(runner, "import time, os; time.tzname[0], os.getcwd()") == "('JST', '/tmp')"
    assert value(runner, "import os, getpass; os.getuid(), os.path.expanduser('~'), getpass.getuser()") == "(1000, '/home/user', 'user')"


def test_variables_of_a_cell(shared):
    look = "import os; (os.environ.get('A'), os.environ.get('HOME'), os.getenv('B'))"
    assert value(shared, look, env={"A": "x\n'\"", "HOME": "/h"}) == repr(("x\n'\"", "/h", None))
    assert value(shared, look) == "(None, '/home/user', None)"
    # Whatever the cell does with them; what else it sets stays.
    shared.run("import os; del os.environ['A']; os.environ['HOME'] = 'x'; os.environ['B'] = 'kept'; 1/0", env={"A": "1"})
    shared.run("import os; os.environ['HOME'] = '/home/user'; os.environ['A'] = '2'", env={"A": "1"})
    assert value(shared, look) == "(None, '/home/user', 'kept')"
    assert shared.run("!echo $A", env={"A": "shell"}).stdout == "shell\n"
    assert value(shared, "import time; time.tzname[0]", env={"TZ": "Asia/Tokyo"}) == "JST"
    assert value(shared, "import time, os; os.environ.pop('B'); time.tzname[0]") == "UTC"
    assert shared.run("1", env={"BAD=NAME": "1"}).error["name"] == "ValueError"


def test_assignment_changes_environment_and_randomness(started):
    runner = started(env={"OLD": "1"})
    draw = "import random, numpy, tempfile, os; (random.random(), numpy.random.rand())"
    runner.run("import random, numpy; random.seed(1); numpy.random.seed(1); kept = 5")
    before = value(runner, draw)
    runner.run("random.seed(1); numpy.random.seed(1)")
    runner.send("A", {"env": {"NEW": "2", "HOME": "/home/user", "TZ": "Asia/Tokyo"}})
    runner.expect_ready()
    assert value(runner, draw) != before
    assert value(runner, "sorted(os.environ), kept") == "(['HOME', 'NEW', 'TZ'], 5)"
    assert value(runner, "import time; time.tzname[0]") == "JST"


DRAW = "(random.random(), float(numpy.random.rand()), ssl.RAND_bytes(8), next(tempfile._get_candidate_names()))"


def test_an_image_brings_new_randomness(started):
    runner = started(env={"OLD": "1"})
    runner.run("import random, numpy, ssl, tempfile; tempfile.tempdir = '/tmp'; kept = 5; random.seed(1); numpy.random.seed(1)")
    seeded = eval(value(runner, DRAW))[:2]
    runner.run("random.seed(1); numpy.random.seed(1)")
    runner.renew({"NEW": "2", "TZ": "Asia/Tokyo"})
    drawn = eval(value(runner, DRAW))[:2]
    assert drawn[0] != seeded[0] and drawn[1] != seeded[1]
    look = "import os, time; os.environ['OLD'], os.environ['NEW'], time.tzname[0], kept, tempfile.tempdir"
    assert value(runner, look) == repr(("1", "2", "JST", 5, "/tmp"))


def test_an_image_in_the_middle_of_a_cell(started):
    """The signal does it at once; what the cell sets afterwards on purpose is not undone by the frame."""
    runner = started()
    runner.start("import random, numpy, os\nrandom.seed(1); numpy.random.seed(1)\nbefore = random.getstate(), numpy.random.get_state()[1].tolist()\n"
                 "reader, writer = os.pipe()\nchild = os.fork()\nif child == 0:\n    start = random.getstate(); os.write(writer, b'.')\n    while random.getstate() == start: pass\n    os._exit(7)\n"
                 "os.read(reader, 1)\nprint('on', flush=True)\nwhile random.getstate() == before[0]: pass\n"
                 "changed = numpy.random.get_state()[1].tolist() != before[1]\n"
                 "random.seed(1); numpy.random.seed(1)\nos.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), changed")

    def look(cell):
        if "on" in cell.stdout and not sent:
            sent.append(True)
            runner.announce_renewal()
            runner.send("N", {"env": {"NEW": "1"}})

    sent = []
    cell = runner.finish(seen=look)
    assert cell.text == "(7, True)", cell.error
    assert runner.receive() == ("n", b"{}")
    seeded = value(runner, "import random, numpy; (random.Random(1).random(), float(numpy.random.RandomState(1).rand()))")
    assert value(runner, "(random.random(), float(numpy.random.rand()))") == seeded
    assert value(runner, "os.environ['NEW']") == "1"


def test_an_image_while_numpy_is_at_work(started):
    """Its generator holds a lock that its own thread would wait for."""
    runner = started()
    code = ("import numpy, os, signal\nnumpy.random.seed(1)\nclass Slow(list):\n    def __setitem__(self, i, v):\n"
            "        os.kill(os.getpid(), signal.SIGURG); list.__setitem__(self, i, v)\n"
            "numpy.random.shuffle(Slow(range(9)))")
    assert runner.run(code).error is None
    runner.send("N", {"env": {}})
    assert runner.receive() == ("n", b"{}")
    assert value(runner, "once = float(numpy.random.rand()); numpy.random.seed(1); numpy.random.shuffle(list(range(9))); "
                         "once == float(numpy.random.rand())") == "False"


def test_an_image_for_programs_that_handle_the_signal(started):
    """Their handler stays, and the frame is enough."""
    runner = started()
    runner.run("import random, signal; seen = []; signal.signal(signal.SIGURG, lambda *_: seen.append(1)); random.seed(1)")
    runner.renew()
    assert value(runner, "len(seen), random.random() == random.Random(1).random()") == "(1, False)"


def test_module_path(shared):
    paths = value(shared, "import sys; str((sys.path[0], sys.path[-3:]))")
    assert paths == str(("", ["/home/user/.local/lib/python3.13/site-packages", "/usr/local/lib/python3.13/dist-packages",
                              "/usr/lib/python3/dist-packages"]))
    shared.run("import os, pathlib; os.chdir('/tmp'); pathlib.Path('/tmp/mine.py').write_text('x = 3')")
    assert value(shared, "import mine; os.chdir('/home/user'); mine.x") == "3"


def test_nothing_is_left_by_the_start(started):
    runner = started()
    assert value(runner, "import os; sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4]") == "[0, 1, 2, 3]"
    assert value(runner, "import threading; threading.active_count(), os.path.exists(os.path.expanduser('~/.ipython'))") == "(1, False)"
    assert value(runner, "[name for name in list(globals()) if name in ('np', 'pd', 'plt', 'f', 'value')]") == "[]"


def test_newer_packages_of_the_user_are_found(started, tmp_path):
    """Also those that the process had imported before it knew its user."""
    layer = tmp_path / "layer"
    package = layer / "home/user/.local/lib/python3.13/site-packages/dateutil"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = 'mine'")
    for directory, _, files in os.walk(layer / "home/user"):
        for path in [directory, *(os.path.join(directory, name) for name in files)]:
            os.chown(path, 1000, 1000)
    runner = started(extra=[layer], env={"MARK": "1"})
    assert value(runner, "import dateutil, os; dateutil.__version__, os.environ['MARK'], os.getcwd()") == "('mine', '1', '/home/user')"


# IPython


def test_shell_commands(shared):
    assert shared.run("!pwd").stdout == "/home/user\n"
    cell = shared.run("!echo out; echo err >&2; exit 3\n_exit_code")
    assert (cell.stdout, cell.stderr, cell.text) == ("out\nerr\n", "", "3")
    assert shared.run("name = 'x y'\nlines = !echo '{name}'; echo b\nlines").text == "['x y', 'b']"
    assert value(shared, "!kill -9 $$\n_exit_code") == "-9"


def test_background_commands_do_not_hold_the_cell(shared):
    shared.run("!sleep 300 &")
    cell = shared.run("!sleep 300 & echo $!")
    assert cell.stdout.strip().isdigit()
    shared.run(f"!kill {cell.stdout}")


def test_magics(shared):
    assert shared.run("%%bash\necho one; echo two >&2").stdout == "one\n"
    assert "CPU times" in shared.run("%time 1 + 1").stdout
    assert "loop" in shared.run("%timeit -n1 -r1 1").stdout
    assert "Wall time" in shared.run("%%time\nx = 1").stdout
    assert value(shared, "%%capture kept\nprint('x'); display(1)") is None
    assert value(shared, "kept.stdout, len(kept.outputs)") == "('x\\n', 1)"
    assert "Docstring" in shared.run("len?").stdout
    assert shared.run("%cd /tmp").stdout == "/tmp\n"
    assert shared.run("%cd -").stdout == "/home/user\n"
    assert value(shared, "get_ipython().__class__.__mro__[1].__name__") == "InteractiveShell"
    assert value(shared, "import inspect\ndef f(): return 7\ninspect.getsource(f)") == "def f(): return 7\\n"


def test_installed_packages_can_be_imported_at_once(shared):
    make = """
import zipfile
def wheel(version):
    path = f'/tmp/wheely-{version}-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as z:
        z.writestr('wheely.py', f'version = {version!r}')
        info = f'wheely-{version}.dist-info'
        z.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: wheely\\nVersion: {version}\\n')
        z.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        z.writestr(f'{info}/RECORD', f'wheely.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n')
    return path
first, second = wheel('1.0'), wheel('2.0')
"""
    assert shared.run(make).error is None
    cell = shared.run("%pip install --no-index {first}\nimport wheely\nwheely.version")
    assert cell.text == "1.0" and "Successfully installed wheely-1.0" in cell.stdout and "Note" not in cell.stdout
    assert "already imported: wheely" in shared.run("%pip install --no-index {second}").stdout


# Coroutines


def test_top_level_await(shared):
    assert value(shared, "import asyncio\nawait asyncio.sleep(0, 'slept')") == "slept"
    assert value(shared, "async with asyncio.timeout(5):\n    loop = asyncio.get_running_loop()\n1") == "1"
    assert value(shared, "(await asyncio.sleep(0, asyncio.get_running_loop())) is loop") == "True"
    assert value(shared, "asyncio.run(asyncio.sleep(0, 'run'))") == "run"


def test_tasks_go_on_between_cells(shared):
    path = pathlib.Path(f"/proc/{shared.pid}/root/tmp/worked")
    shared.run("import asyncio\ndone = []\nasync def work():\n    await asyncio.sleep(0.02); done.append(1); "
               f"open('/tmp/{path.name}', 'w').close()\ntask = asyncio.create_task(work())")
    warren.wait_for(path.exists, 30, "the task ends although no cell runs")
    assert value(shared, "done") == "[1]"


def test_death_by_signal_is_seen(started):
    runner = started()
    runner.start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(EOFError):
        runner.finish()
    assert runner.process.wait(20) == -signal.SIGSEGV
    runner.drain()
    assert b"Segmentation fault" in runner.captured[2] and b"<ipython-input-1" in runner.captured[2]



# Rich results


def fields(result):
    return sorted(set(result) - {"type", "is_main_result", "extra"})


def test_tables(shared):
    cell = shared.run("""
        import pandas as pd
        pd.DataFrame({"a": [1, 2], "b": [0.5, float("nan")], 3: pd.to_datetime(["2024-01-01", None]), "é": ["x", None]})
    """)
    result = cell.results[0]
    assert fields(result) == ["data", "html", "text"]
    assert result["data"] == {"a": [1, 2], "b": [0.5, "nan"], "3": ["2024-01-01T00:00:00", "NaT"], "é": ["x", None]}
    assert fields(shared.run("pd.Series([1])").results[0]) == ["text"]


def test_lists_and_dictionaries_are_json_too(shared):
    result = shared.run("import numpy\n{'a': [1, None, float('inf')], 2: numpy.arange(2)}").results[0]
    assert (fields(result), result["json"]) == (["json", "text"], {"a": [1, None, None], "2": [0, 1]})
    assert fields(shared.run("[object()]").results[0]) == ["text"]


def test_display(shared):
    cell = shared.run("display({'text/latex': '$x$', 'application/x-own': {'n': float('nan')}}, raw=True)\n"
                      "from IPython.display import HTML, SVG, JSON, Markdown, Javascript, clear_output\n"
                      "handle = display(HTML('<b>'), display_id=True); handle.update(2); clear_output()\nMarkdown('# x')")
    latex, html, markdown = cell.results
    assert (fields(latex), latex["extra"]) == (["latex"], {"application/x-own": {"n": "nan"}})
    assert html["html"] == "<b>" and not html["is_main_result"]
    assert markdown["markdown"] == "# x" and markdown["is_main_result"]


def test_own_formats(shared):
    cell = shared.run("class Own:\n    def _repr_e2b_data_(self): return {'d': (1, float('nan'))}\n"
                      "    def _repr_e2b_chart_(self): return {'type': 'line'}\n    def _repr_pdf_(self): return b'%PDF'\nOwn()")
    result = cell.results[0]
    assert (result["data"], result["chart"], result["pdf"]) == ({"d": [1, "nan"]}, {"type": "line"}, "JVBERg==")


def test_images(shared):
    make = "from PIL import Image\nimage = Image.new('RGB', (2, 2))\n"
    assert [r["is_main_result"] for r in shared.run(make + "image").results if r["png"]] == [True]
    assert [r["is_main_result"] for r in shared.run(make + "image.show()").results if r["png"]] == [False]
    assert [r["is_main_result"] for r in shared.run(make + "image.save('/tmp/test.png')").results if r["png"]] == [False]
    assert shared.run(make + "import pathlib; image.save(pathlib.Path('/tmp/test.png'))").results == []


def test_figures_appear_once(shared):
    plot = "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 2])\n"
    for end, main in [("plt.show()", [False]), ("pass", [False]), ("figure", [True]), ("plt.show()\n1", [False, True]), ("plt.close()", []),
                      ("figure;", [False])]:
        cell = shared.run(plot + end)
        assert [r["is_main_result"] for r in cell.results] == main, end
        pictures = [r for r in cell.results if "png" in r]
        assert all(r["text"] == "<Figure size 640x480 with 1 Axes>" and r["chart"]["type"] == "line" for r in pictures)
    assert value(shared, "plt.get_fignums()") == "[]"
    assert len(shared.run("%matplotlib inline\n" + plot + "plt.show()").results) == 1


def chart(runner, code, warning=""):
    """The chart of the picture that a cell shows, with no more text than a warning."""
    cell = runner.run("import matplotlib.pyplot as plt, numpy as np, datetime\n" + code)
    assert cell.error is None and warning in cell.stderr and bool(warning) == bool(cell.stderr), (cell.error, cell.stderr)
    (result,) = [r for r in cell.results if "png" in r]
    assert fields(result) == ["chart", "png", "text"]
    return result["chart"]


def test_bar_chart(shared):
    made = chart(shared, """
plt.bar(['Author A', 'Author B', 'Author C', 'Author D'], [100, 200, 300, 400], label='Books Sold')
plt.xlabel('Authors'); plt.ylabel('Number of Books Sold'); plt.title('Book Sales by Authors'); plt.show()""")
    assert (made["type"], made["title"], made["x_label"], made["y_label"]) == (
        "bar", "Book Sales by Authors", "Authors", "Number of Books Sold")
    assert (made["x_unit"], made["y_unit"]) == (None, None)
    assert [(bar["label"], bar["value"], bar["group"]) for bar in made["elements"]] == [
        (f"Author {letter}", 100 * place, "Books Sold") for place, letter in enumerate("ABCD", 1)]


def test_box_chart(shared):
    made = chart(shared, """
data = {'Class A': [85, 90, 78, 92, 88], 'Class B': [95, 89, 76, 91, 84, 87], 'Class C': [75, 82, 88, 79, 86]}
plt.boxplot(data.values(), labels=data.keys(), patch_artist=True); plt.ylabel('Score'); plt.title('Exam Scores'); plt.show()""", "labels")
    assert (made["type"], made["title"]) == ("box_and_whisker", "Exam Scores")
    boxes = made["elements"]
    assert [box["label"] for box in boxes] == ["Class A", "Class B", "Class C"]
    keys = ("min", "first_quartile", "median", "third_quartile", "max", "outliers")
    assert [[box[key] for key in keys] for box in boxes] == [
        [78, 85, 88, 90, 92, []], [84, 84.75, 88, 90.5, 95, [76]], [75, 79, 82, 86, 88, []]]


def test_line_chart_with_dates(shared):
    made = chart(shared, """
dates = [datetime.date(2023, 9, 1) + datetime.timedelta(seconds=i) for i in range(100)]
x = np.linspace(0, 2 * np.pi, 100)
plt.plot(dates, np.sin(x), label='sin(x)'); plt.plot(dates, np.cos(x), label='cos(x)')
plt.xlabel('Time (s)'); plt.ylabel('Amplitude (Hz)'); plt.title('Plot of sin(x) and cos(x)'); plt.show()""")
    assert (made["type"], made["x_unit"], made["y_unit"], made["x_scale"], made["y_scale"]) == ("line", "s", "Hz", "datetime", "linear")
    assert all(isinstance(tick, str) for tick in made["x_ticks"]) and all(isinstance(tick, float) for tick in made["y_ticks"])
    assert [(line["label"], len(line["points"])) for line in made["elements"]] == [("sin(x)", 100), ("cos(x)", 100)]
    assert made["elements"][0]["points"][0][0] == "2023-09-01"


def test_log_chart(shared):
    made = chart(shared, "x = np.linspace(0, 100, 100)\nplt.plot(x, np.exp(x / 10)); plt.yscale('log'); plt.ylabel('y (log scale)'); plt.show()")
    assert (made["x_scale"], made["y_scale"], made["y_unit"], len(made["elements"][0]["points"])) == ("linear", "log", "log scale", 100)


def test_pie_chart(shared):
    made = chart(shared, "plt.pie([90, 10], labels=['No', 'Yes'], autopct='%1.1f%%'); plt.title('Will?'); plt.show()")
    assert [(slice["label"], slice["angle"], slice["radius"]) for slice in made["elements"]] == [("No", 324, 1), ("Yes", 36, 1)]


def test_categorical_scale(shared):
    made = chart(shared, "plt.plot([datetime.date(2023, 9, 1 + i) for i in range(3)], ['low', 'mid', 'high']); plt.show()")
    assert (made["x_scale"], made["y_scale"]) == ("datetime", "categorical")


def test_scatter_chart(shared):
    made = chart(shared, "plt.scatter([1, 2, 3, 4, 5], [2, 3, 5, 7, 11]); plt.scatter(range(10), range(10)); plt.xlabel('A'); plt.show()")
    assert (made["type"], made["title"], [len(group["points"]) for group in made["elements"]]) == ("scatter", None, [5, 10])
    assert all(isinstance(number, float) for group in made["elements"] for point in group["points"] for number in point)


def test_superchart(shared):
    made = chart(shared, """
figure, (first, second) = plt.subplots(1, 2)
first.plot(np.linspace(0, 10, 100), np.sin(np.linspace(0, 10, 100))); second.scatter(range(5), range(5))
figure.suptitle('Two'); plt.show()""")
    assert (made["type"], made["title"]) == ("superchart", "Two")
    assert [part["type"] for part in made["elements"]] == ["line", "scatter"]
    assert [len(part["elements"][0]["points"]) for part in made["elements"]] == [100, 5]


def test_unknown_chart(shared):
    made = chart(shared, "plt.figure(); plt.imshow([[1, 2], [3, 4]]); plt.title('An image'); plt.show()")
    assert (made["type"], made["title"], made["elements"]) == ("unknown", "An image", [])


def test_empty_figures_have_an_empty_chart(shared):
    assert chart(shared, "plt.subplots(); plt.show()") == {}


def test_results_that_are_too_large(shared):
    """The data is left out first; what is then still too large is an error."""
    cell = shared.run("import numpy\npd = __import__('pandas'); pd.DataFrame({'x': ['y' * 1000] * 80000})")
    assert fields(cell.results[0]) == ["html", "text"]
    cell = shared.run("'x' * (70 << 20)")
    assert (cell.results, cell.error["name"]) == ([], "ResultTooLarge")
    assert value(shared, "2") == "2"
