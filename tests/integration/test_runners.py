"""The runners of JavaScript, TypeScript, Bash, R and Java by themselves, in the files of a template that has the language."""

import contextlib
import pathlib
import time

import pytest
from runner import Runner

import warren

RUNNERS = "/.warren/runners/"
FULL = "code-interpreter-full"
JAVA = ("java", "-XX:+UseSerialGC", "--add-opens=java.base/java.io=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
        RUNNERS + "java/Main.java")
# language: (command, template)
LANGUAGES = {
    "javascript": (("node", "--no-force-async-hooks-checks", RUNNERS + "javascript/main.js", "javascript"), warren.TEMPLATE),
    "typescript": (("node", "--no-force-async-hooks-checks", RUNNERS + "javascript/main.js", "typescript"), warren.TEMPLATE),
    "bash": (("python3", "-I", "-B", RUNNERS + "bash/main.py"), warren.TEMPLATE),
    "r": (("python3", "-I", "-B", RUNNERS + "r/main.py"), FULL),
    "java": (JAVA, FULL),
}
INTERRUPTED = "KeyboardInterrupt"


class Context:
    """A runner; what a cell wrote by pipe or by frame is one text."""

    def __init__(self, runner):
        self.runner = runner

    def finish(self, timeout=60):
        cell = self.runner.finish(timeout)
        cell.out.append(self.runner.captured[1].decode())
        cell.err.append(self.runner.captured[2].decode())
        self.runner.captured.update({1: b"", 2: b""})
        return cell

    def run(self, code, timeout=60, **options):
        self.runner.start(code, **options)
        return self.finish(timeout)

    def value(self, code, **options):
        """Text of the result of a cell that does not fail."""
        cell = self.run(code, **options)
        assert cell.error is None, cell.error["traceback"]
        assert len(cell.results) == 1, cell.lines
        assert isinstance(cell.results[0]["extra"], dict)
        return cell.results[0]["text"]

    def interrupt(self, code, flag):
        """Runs a cell that makes the file `flag`, and interrupts it when the file is there."""
        self.runner.start(code)
        path = pathlib.Path(f"/proc/{self.runner.pid}/root") / flag.lstrip("/")
        warren.wait_for(path.exists, 30, f"the cell makes {flag}")
        time.sleep(0.1)  # it goes from making the file into what is to be interrupted
        self.runner.interrupt()
        cell = self.finish(30)
        path.unlink()
        return cell


@contextlib.contextmanager
def context(directory, language, **options):
    command, template = LANGUAGES[language]
    if template == FULL and not (pathlib.Path(warren.data_dir()) / "templates" / f"{FULL}.json").exists():
        pytest.fail(f"there is no template {FULL}: `warren template make {FULL}` makes it")
    with Runner(directory, command=command, template=template, **options) as runner:
        yield Context(runner)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """shared(language): a context that the tests of this file share; they depend on nothing that another left."""
    with contextlib.ExitStack() as stack:
        made = {}

        def get(language):
            if language not in made:
                made[language] = stack.enter_context(context(tmp_path_factory.mktemp(language), language))
            return made[language]

        yield get


@pytest.fixture
def fresh(tmp_path):
    """fresh(language): one that ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda language, **options: stack.enter_context(context(tmp_path, language, **options))


@pytest.fixture
def js(shared):
    return shared("javascript")


@pytest.fixture
def ts(shared):
    return shared("typescript")


@pytest.fixture
def bash(shared):
    return shared("bash")


@pytest.fixture
def r(shared):
    return shared("r")


@pytest.fixture
def java(shared):
    return shared("java")


every = pytest.mark.parametrize("language", LANGUAGES)

# What a cell is in each language: prints "hi", fails, prints the variable FOO or "default", writes to the stream of errors.
HELLO = {
    "javascript": "console.log('hi')", "typescript": "const s: string = 'hi'; console.log(s)", "bash": "echo hi",
    "r": "cat('hi\\n')", "java": 'System.out.println("hi");',
}
FAIL = {
    "javascript": ("nope_", "ReferenceError"), "typescript": ("nope_ as any", "ReferenceError"), "bash": ("(exit 7)", "ExitStatus"),
    "r": ("stop('boom')", "Error"), "java": ('throw new RuntimeException("boom");', "java.lang.RuntimeException"),
}
VARIABLE = {
    "javascript": "console.log(process.env.FOO ?? 'default')", "typescript": "console.log((process.env.FOO ?? 'default') as string)",
    "bash": 'echo "${FOO-default}"', "r": "cat(Sys.getenv('FOO', 'default'), '\\n', sep='')",
    "java": 'System.out.println(System.getProperty("FOO", "default"));',
}
CHANGE = {
    "javascript": "process.env.FOO = 'changed'", "typescript": "process.env.FOO = 'changed' as string", "bash": "FOO=changed",
    "r": "invisible(Sys.setenv(FOO='changed'))", "java": 'System.setProperty("FOO", "changed");',
}
DIRECTORY = {
    "javascript": "console.log(process.cwd())", "typescript": "console.log(process.cwd() as string)", "bash": "pwd",
    "r": "cat(getwd(), '\\n', sep='')", "java": 'System.out.println(System.getProperty("user.dir"));',
}
UNICODE = {
    "javascript": "console.log('é😀\\u2028')", "typescript": "console.log('é😀\\u2028' as string)", "bash": "echo 'é😀\u2028'",
    "r": "cat('é😀\\u2028\\n')", "java": 'System.out.println("é😀\\u2028");',
}
# A cell that makes the file /tmp/flag, then runs until it is interrupted.
BUSY = {
    "javascript": "require('fs').writeFileSync('/tmp/flag', ''); for (;;) {}",
    "typescript": "import { writeFileSync } from 'fs'; writeFileSync('/tmp/flag', '' as string); for (;;) {}",
    "bash": "touch /tmp/flag; while :; do :; done",
    "r": "invisible(file.create('/tmp/flag')); while (TRUE) {}",
    "java": 'Files.createFile(Path.of("/tmp/flag")); while (true) {}',
}
WAITING = {
    "javascript": "require('fs').writeFileSync('/tmp/flag', ''); await new Promise(() => {})",
    "typescript": "require('fs').writeFileSync('/tmp/flag', '' as string); await new Promise<void>(() => {})",
    "bash": "touch /tmp/flag; sleep 1000; echo after",
    "r": "invisible(file.create('/tmp/flag')); Sys.sleep(1000)",
    "java": 'Files.createFile(Path.of("/tmp/flag")); Thread.sleep(1000000);',
}
REMEMBER = {
    "javascript": ("const kept = 42", "console.log(kept)"), "typescript": ("const kept: number = 42", "console.log(kept)"),
    "bash": ("kept=42", "echo $kept"), "r": ("kept <- 42", "cat(kept, '\\n', sep='')"),
    "java": ("int kept = 42;", "System.out.println(kept);"),
}
# Languages whose random numbers a program can seed.
SEED_AND_DRAW = {
    "bash": ("RANDOM=1", "echo $RANDOM $RANDOM $RANDOM"),
    "r": ("set.seed(1)", "cat(runif(2))"),
    "java": ('var holder = Class.forName("java.lang.Math$RandomNumberGeneratorHolder").getDeclaredField("randomNumberGenerator"); '
             "holder.setAccessible(true); ((Random) holder.get(null)).setSeed(1);", "System.out.println(Math.random());"),
}


@every
def test_prints(shared, language):
    cell = shared(language).run(HELLO[language])
    assert (cell.stdout, cell.stderr, cell.error, cell.results) == ("hi\n", "", None, [])


@every
def test_counts_cells_that_fail_too(fresh, language):
    context = fresh(language)
    code, name = FAIL[language]
    assert context.run(HELLO[language]).count == 1
    cell = context.run(code)
    assert cell.count == 2
    assert cell.error["name"] == name
    assert all(isinstance(cell.error[field], str) for field in ("value", "traceback"))
    assert context.run(HELLO[language]).count == 3


@every
def test_silent_cells_show_only_errors(fresh, language):
    context = fresh(language)
    cell = context.run(HELLO[language], silent=True)
    assert (cell.count, cell.stdout, cell.lines) == (None, "", [])
    cell = context.run(FAIL[language][0], silent=True)
    assert (cell.count, cell.error["name"]) == (None, FAIL[language][1])
    assert context.run(HELLO[language]).count == 1


@every
def test_names_outlive_their_cell(shared, language):
    context = shared(language)
    first, second = REMEMBER[language]
    assert context.run(first).error is None
    assert context.run(second).stdout == "42\n"


@every
def test_environment_of_a_cell_is_put_back(fresh, language):
    context = fresh(language)
    assert context.run(VARIABLE[language], env={"FOO": "it's \"b\"\n$x"}).stdout == "it's \"b\"\n$x\n"
    assert context.run(VARIABLE[language]).stdout == "default\n"
    assert context.run(CHANGE[language], env={"FOO": "bar"}).error is None
    assert context.run(VARIABLE[language]).stdout == "default\n"


@every
def test_environment_of_a_cell_hides_the_sandbox_s(fresh, language):
    context = fresh(language, env={"FOO": "sandbox"})
    assert context.run(VARIABLE[language]).stdout == "sandbox\n"
    assert context.run(VARIABLE[language], env={"FOO": "cell"}).stdout == "cell\n"
    context.run(FAIL[language][0], env={"FOO": "cell"})
    assert context.run(VARIABLE[language]).stdout == "sandbox\n"


@every
def test_assigning_replaces_the_environment(fresh, language):
    context = fresh(language, env={"FOO": "blank"})
    context.runner.send("A", {"env": {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/user", "FOO": "mine"}})
    context.runner.expect_ready()
    assert context.run(VARIABLE[language]).stdout == "mine\n"


@every
def test_an_image_changes_variables_only(fresh, language):
    context = fresh(language, env={"FOO": "old"})
    first, second = REMEMBER[language]
    context.run(first)
    context.runner.renew({"FOO": "it's \"b\"\n$x\\ é"})
    assert context.run(VARIABLE[language]).stdout == "it's \"b\"\n$x\\ é\n"
    assert context.run(VARIABLE[language], env={"FOO": "cell"}).stdout == "cell\n"
    assert context.run(second).stdout == "42\n"
    context.runner.renew()
    assert context.run(VARIABLE[language]).stdout == "it's \"b\"\n$x\\ é\n"


@pytest.mark.parametrize("language", SEED_AND_DRAW)
def test_an_image_brings_new_randomness(fresh, language):
    context = fresh(language)
    seed, draw = SEED_AND_DRAW[language]
    drawn = []
    for is_renewed in (False, False, True):
        assert context.run(seed).error is None
        if is_renewed:
            context.runner.renew()
        drawn.append(context.run(draw).stdout)
    assert drawn[0] == drawn[1] != "" and drawn[2] not in ("", drawn[0])


def test_an_image_brings_new_randomness_to_javascript(tmp_path):
    """Two of them with the same random numbers, as copies have."""
    command = ("node", "--random-seed=1", *LANGUAGES["javascript"][0][1:])
    drawn = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with Runner(tmp_path / name, command=command) as runner:
            context = Context(runner)
            before = context.value("Math.random()")
            runner.renew()
            drawn.append((before, context.value("Math.random()")))
    assert drawn[0][0] == drawn[1][0] and drawn[0][1] != drawn[1][1]


def test_js_an_image_while_a_cell_waits(fresh):
    context = fresh("javascript")
    context.runner.start("const first = Math.random; console.log('on');\n"
                         "while (Math.random === first) await new Promise((resolve) => setTimeout(resolve, 5)); 'changed'")

    def look(cell):
        if "on" in cell.stdout and not sent:
            sent.append(True)
            context.runner.announce_renewal()
            context.runner.send("N", {"env": {}})

    sent = []
    assert context.runner.finish(seen=look).text == "changed"
    assert context.runner.receive() == ("n", b"{}")


def test_js_random_functions_of_an_image_are_the_kernel_s(fresh):
    context = fresh("javascript")
    context.runner.renew()
    context.runner.renew()
    code = """
        const c = require('crypto'), { promisify } = require('util'), assert = require('assert');
        import { randomInt as imported } from 'crypto';
        const zero = (bytes) => bytes.every((byte) => byte === 0);
        assert(imported === c.randomInt);
        assert(!zero(c.randomBytes(16)) && (await promisify(c.randomBytes)(16)).length === 16);
        const view = c.randomFillSync(new Uint16Array(40), 4, 32);
        assert(zero(view.subarray(0, 4)) && zero(view.subarray(36)) && !zero(view.subarray(4, 36)));
        const buffer = await promisify(c.randomFill)(Buffer.alloc(40), 8);
        assert(zero(buffer.subarray(0, 8)) && !zero(buffer.subarray(8)));
        const counts = [0, 0, 0];
        for (let i = 0; i < 3000; i++) counts[c.randomInt(5, 8) - 5]++;
        assert(counts.every((count) => count > 800));
        assert((await promisify(c.randomInt)(2)) < 2);
        const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
        assert(uuid.test(c.randomUUID()) && uuid.test(crypto.randomUUID()));
        assert(!zero(crypto.getRandomValues(new Uint8Array(32))));
        for (const wrong of [() => c.randomBytes(-1), () => c.randomInt(5, 1), () => crypto.getRandomValues(new Float32Array(1)),
                             () => c.randomFillSync(Buffer.alloc(2), 3)]) assert.throws(wrong);
        let sum = 0;
        for (let i = 0; i < 10000; i++) sum += Math.random();
        assert(sum > 4800 && sum < 5200);
        'fine'
    """
    assert context.value(code) == "fine"


@every
def test_starts_in_its_directory(shared, language):
    assert shared(language).run(DIRECTORY[language]).stdout == "/home/user\n"


@every
def test_unicode(shared, language):
    assert shared(language).run(UNICODE[language]).stdout == "é😀\u2028\n"


@every
@pytest.mark.parametrize("kind", ["busy", "waiting"])
def test_interrupts(shared, language, kind):
    context = shared(language)
    first, second = REMEMBER[language]
    assert context.run(first).error is None
    cell = context.interrupt((BUSY if kind == "busy" else WAITING)[language], "/tmp/flag")
    assert cell.error["name"] == INTERRUPTED
    assert "after" not in cell.stdout
    assert context.run(second).stdout == "42\n", "the state is still there"


@pytest.mark.parametrize("language, code", [
    ("javascript", "'x'.repeat(65 * 2 ** 20)"), ("r", "strrep('x', 65 * 2 ** 20)"), ("java", '"x".repeat(65 << 20)')])
def test_results_that_are_too_large(shared, language, code):
    cell = shared(language).run(code)
    assert cell.results == []
    assert "larger than 64 MiB" in cell.error["value"]
    assert shared(language).run(HELLO[language]).stdout == "hi\n"


@every
def test_interrupts_at_the_very_beginning(shared, language):
    """The agent may send the signal as soon as it has read that the cell begins."""
    context = shared(language)
    code = BUSY[language].split("; ", 1)[1].replace("writeFileSync('/tmp/flag', '' as string); ", "")
    for _ in range(3 if language == "java" else 30):
        context.runner.start(code)
        assert context.runner.receive(30)[0] == "C"
        context.runner.interrupt()
        assert context.finish(30).error["name"] == INTERRUPTED


@every
def test_ends_with_its_agent(fresh, language):
    context = fresh(language)
    context.run(HELLO[language])
    if language == "javascript":
        context.run("await new Promise((done) => setTimeout(done, 200))")  # its thread for interrupts is there
    context.runner.socket.shutdown(2)
    context.runner.process.wait(20)


# JavaScript.


@pytest.mark.parametrize("code, text", [
    ("const a1 = 1; a1", "1"),
    ("'abc'", "abc"),
    ("'two\\nlines'", "two\nlines"),
    ("[1, {a: 'b'}]", "[ 1, { a: 'b' } ]"),
    ("{a: 1}", "{ a: 1 }"),
    ("null", "null"),
    ("await Promise.resolve('Hello World!')", "Hello World!"),
    ("Promise.resolve(42)", "42"),
    ("async function later() { return 7 }\nlater()", "7"),
    ("for (var k1 of [1, 2]) await k1\nk1", "2"),
    ("let {length: n1, ...rest1} = 'ab'; [n1, rest1]", "[ 2, { '0': 'a', '1': 'b' } ]"),
    ("class C1 { static async m() { return 2 } }; await C1.m()", "2"),
    ("import path, * as all from 'path'; path === all.default && path.sep", "/"),
    ("import { sep as s1 } from 'path'\ns1", "/"),
    ("(await import('path')).sep", "/"),
    ("require('path').sep", "/"),
    ("const crypto = require('crypto'); typeof crypto.createHash", "function"),
    ("export const e1 = 5; export default e1 + 1", "6"),
    ("import.meta.dirname", "/home/user"),
    ("enum E1 { A, B }; const e2: E1 = E1.B; e2", "1"),
    ("Buffer.from('hi')", "<Buffer 68 69>"),
    ("require.main === module", "true"),
    ("// only\n3 // comment", "3"),
    ("await 0, 8 // comment", "8"),
    ("f1(); function f1() { return 9 }", "9"),
])
def test_js_values(js, code, text):
    assert js.value(code) == text


@pytest.mark.parametrize("code", ["undefined", "const u1 = 5", "class U {}", "function u2() {}", "for (const u3 of [1]) u3", "", "// c",
                                  "let u4; await 1; u4 = 3; if (u4) 5"])
def test_js_shows_nothing(js, code):
    cell = js.run(code)
    assert (cell.error, cell.results) == (None, [])


def test_js_names_may_be_declared_again(js):
    for declaration in ("const d = 1", "let d = 2", "var d = 3", "function d() {}", "class d {}", "const d = 4", "await 0; let d = 5",
                        "await 0; function d() {}", "import d from 'fs'", "const d = 6"):
        cell = js.run(declaration)
        assert cell.error is None, (declaration, cell.error)
    assert js.value("d") == "6"


def test_js_console(js):
    cell = js.run("console.log('Hello World!'); console.error('e %d', 5); process.stdout.write('x'); console.log({a: 1})")
    assert cell.events[0] == ("o", "Hello World!\n")
    assert (cell.stdout, cell.stderr) == ("Hello World!\nx{ a: 1 }\n", "e 5\n")


def test_js_characters_that_are_written_in_parts(js):
    assert js.run("process.stdout.write(Buffer.from([0xc3])); process.stdout.write(Buffer.from([0xa4]))").stdout == "ä"


@pytest.mark.parametrize("code, name, value", [
    ("throw new TypeError('boom')", "TypeError", "boom"),
    ("await Promise.reject(new RangeError('late'))", "RangeError", "late"),
    ("Promise.reject(new RangeError('last'))", "RangeError", "last"),
    ("throw 'text'", "string", "'text'"),
    ("foo bar", "SyntaxError", "Unexpected identifier 'bar'"),
    ("import { nope1 } from 'fs'", "SyntaxError", "The requested module 'fs' does not provide an export named 'nope1'"),
    ("process.exit(3)", "SystemExit", "3"),
    ("await 0; setTimeout(() => process.exit(4)); await new Promise(() => {})", "SystemExit", "4"),
])
def test_js_errors(js, code, name, value):
    error = js.run(code).error
    assert (error["name"], error["value"]) == (name, value)
    assert "/.warren" not in error["traceback"] and "node:internal" not in error["traceback"]


def test_js_errors_show_the_place(js):
    assert "[cell " in js.run("\n\nfunction g1() { throw new Error('x') }\ng1()").error["traceback"]
    assert ":3:" in js.run("\n\nthrow new Error('x')").error["traceback"]
    assert "a b c\n  ^" in js.run("\na b c").error["traceback"]


def test_js_errors_nobody_caught_are_text(js):
    cell = js.run("Promise.reject(new Error('lost')); setTimeout(() => { throw new Error('timer') }); "
                  "await new Promise((done) => setTimeout(done, 20)); 5")
    assert cell.text == "5" and cell.error is None
    assert "Uncaught Error: lost" in cell.stderr and "Uncaught Error: timer" in cell.stderr


def test_js_timers_print_into_the_next_cell(js):
    js.run("setTimeout(() => console.log('tick'), 500); 0")
    assert js.run("await new Promise((done) => setTimeout(done, 600))").stdout == "tick\n"
    path = pathlib.Path(f"/proc/{js.runner.pid}/root/tmp/between")
    js.run(f"setTimeout(() => {{ console.log('between'); require('fs').writeFileSync('/tmp/{path.name}', '') }}, 500); 0")
    warren.wait_for(path.exists, 30, "it has printed between two cells")
    assert js.run("console.log('cell')").stdout == "between\ncell\n"


def test_js_interrupts_loops_behind_an_await(fresh):
    js = fresh("javascript")
    js.run("const kept = 42")
    code = "await new Promise((done) => setTimeout(done, 300)); require('fs').writeFileSync('/tmp/flag', ''); for (;;) {}"
    assert js.interrupt(code, "/tmp/flag").error["name"] == INTERRUPTED
    assert js.value("kept") == "42"
    assert js.interrupt(code, "/tmp/flag").error["name"] == INTERRUPTED
    assert js.interrupt(BUSY["javascript"], "/tmp/flag").error["name"] == INTERRUPTED
    assert js.interrupt(WAITING["javascript"], "/tmp/flag").error["name"] == INTERRUPTED
    assert js.value("kept") == "42"


def test_js_rich_results(js):
    def only(code):
        cell = js.run(code)
        assert cell.error is None, cell.error
        assert len(cell.results) == 1, cell.results
        return cell.results[0]

    assert only("display('<b>', {mime: 'text/html'})") == {"type": "result", "html": "<b>", "extra": {}, "is_main_result": False}
    assert only("display({'text/latex': 'x'}, {raw: true})")["latex"] == "x"
    assert only("$$.png('AAAA')") == {"type": "result", "png": "AAAA", "extra": {}, "is_main_result": True}
    assert only("$$.display().json({a: [1]})")["json"] == {"a": [1]}
    assert only("$$html$$ = '<u>'")["html"] == "<u>"
    assert only("({_toHtml: () => '<i>', _toPng: () => Buffer.from([0, 0, 0])})")["png"] == "AAAA"
    assert only("({[Symbol.for('Jupyter.display')]: async () => ({'text/markdown': '# m', 'x/y': 'z'})})")["extra"] == {"x/y": "z"}
    assert only("$$.async(); setTimeout(() => $$.done('later'), 20)")["text"] == "later"
    assert only("console.log(1); display(2)")["text"] == "2"


def test_js_results_and_text_keep_their_order(js):
    assert js.run("console.log(1); display(2); console.log(3)").events == [("o", "1\n"), "result", ("o", "3\n")]


def test_js_packages_of_the_directory(js):
    js.run("const fs = require('fs'); for (const [n, main] of [['cjs1', 'exports.v = 1'], ['esm1', 'export const v = 2; export default 3']]) {"
           " fs.mkdirSync(`node_modules/${n}`, {recursive: true}); fs.writeFileSync(`node_modules/${n}/index.js`, main);"
           " fs.writeFileSync(`node_modules/${n}/package.json`, JSON.stringify({name: n, main: 'index.js',"
           " type: n === 'esm1' ? 'module' : 'commonjs'})) }")
    assert js.value("import { v as c1 } from 'cjs1'; import three, { v as m1 } from 'esm1'; [c1, m1, three, require('cjs1').v]") \
        == "[ 1, 2, 3, 1 ]"


def test_js_output_of_subprocesses(js):
    cell = js.run("require('child_process').execSync('echo out; echo err >&2', {stdio: 'inherit'}); 1")
    assert (cell.stdout, cell.stderr, cell.text) == ("out\n", "err\n", "1")


def test_js_much_output_needs_little_memory(fresh):
    js = fresh("javascript")
    js.run("1")
    js.runner.start("for (let i = 0; i < 50; i++) console.log('x'.repeat(1 << 20))")
    time.sleep(1)  # nobody reads: the cell waits
    cell = js.finish()
    assert len(cell.stdout) == 50 * ((1 << 20) + 1)
    peak = next(line for line in pathlib.Path(f"/proc/{js.runner.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 150_000, peak


# TypeScript.


@pytest.mark.parametrize("code, text", [
    ("interface I { a: number }; const i: I = {a: 1}; i.a", "1"),
    ("enum Color { Red = 'r' }; Color.Red", "r"),
    ("namespace N { export const z = 1 }; N.z", "1"),
    ("class P { constructor(public x: number) {} }; new P(3).x", "3"),
    ("function mark(target: any) { target.marked = 1 }\n@mark class D {}; (D as any).marked", "1"),
    ("import type { Stats } from 'fs'; import { statSync } from 'fs'; const s: Stats = statSync('/'); s.isDirectory()", "true"),
    ("import os = require('os'); const o: string = os.EOL; o.length", "1"),
    ("const p: Promise<number> = Promise.resolve(4); await p", "4"),
    ("let notChecked: number = 'text'; notChecked", "text"),
])
def test_ts_values(ts, code, text):
    assert ts.value(code) == text


def test_ts_imports_serve_later_cells(ts):
    ts.run("import { join } from 'path'; const unused: number = 1")
    assert ts.value("join('a', 'b' as string)") == "a/b"


def test_ts_errors_show_the_place(ts):
    error = ts.run("const ok: number = 1\nconst x: = 5").error
    assert error["name"] == "SyntaxError" and "const x: = 5" in error["traceback"]


# Bash.


def test_bash_streams(bash):
    cell = bash.run("echo out; echo err >&2")
    assert (cell.stdout, cell.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize("code, out", [
    ("f() { echo \"f $1\"; }; f x", "f x\n"),
    ("cat <<EOF\nhello $((1 + 1))\nEOF", "hello 2\n"),
    ("for i in 1 2; do\n  echo $i\ndone", "1\n2\n"),
    ("cat; read line; echo \"[$line]\"", "[]\n"),
    ("echo 'quo\"te'\\''s' \"$(echo sub)\"", "quo\"te's sub\n"),
    ("true && echo line # comment", "line\n"),
    ("sleep 0.1 & wait; echo waited", "waited\n"),
    ("echo !!", "!!\n"),
])
def test_bash_cells(bash, code, out):
    cell = bash.run(code)
    assert (cell.stdout, cell.error) == (out, None)


@pytest.mark.parametrize("code, status", [
    ("echo \"unterminated", "2"), ("if true", "2"), ("echo )", "2"), ("nosuchcommand", "127"), ("false", "1"),
    ("${unset_variable:?must be set}; echo no", "1"),
])
def test_bash_errors(bash, code, status):
    cell = bash.run(code)
    assert (cell.error["name"], cell.error["value"], cell.stdout) == ("ExitStatus", status, "")
    assert bash.run("echo $?").stdout == f"{status}\n"


def test_bash_keeps_its_state(fresh):
    bash = fresh("bash")
    bash.run("x=1; g() { echo \"g $x\"; }; alias hello='echo aliased'; cd /tmp; shopt -s nullglob; a=(1 2)")
    assert bash.run("g; hello; pwd; shopt -q nullglob && echo set; echo ${a[1]}").stdout == "g 1\naliased\n/tmp\nset\n2\n"


def test_bash_puts_back_what_a_variable_was(fresh):
    bash = fresh("bash")
    bash.run("declare -a FOO=(1 2); BAR=plain")
    bash.run("FOO=x BAR=y; export FOO BAR", env={"FOO": "cell", "BAR": "cell"})
    assert bash.run("declare -p FOO BAR").stdout == 'declare -a FOO=([0]="1" [1]="2")\ndeclare -- BAR="plain"\n'


@pytest.mark.parametrize("code, status", [("exit 3", "3"), ("set -e; false; echo no", "1"), ("kill -9 $$", "137")])
def test_bash_after_the_end_of_the_shell(fresh, code, status):
    bash = fresh("bash")
    bash.run("x=1")
    cell = bash.run(code)
    assert (cell.error["name"], cell.error["value"], cell.stdout) == ("SystemExit", status, "")
    cell = bash.run("echo ${x-gone}; pwd")
    assert (cell.stdout, cell.count) == ("gone\n/home/user\n", 3)


def test_bash_commands_get_no_descriptors(bash):
    assert bash.run("ls /proc/self/fd").stdout.split() in (["0", "1", "2", "3"], ["0", "1", "2", "3", "10"])


# R.


def test_r_values_are_displayed_where_they_come_up(r):
    cell = r.run("1 + 1; x <- 5; 'bar'; invisible(3)")
    assert [(line["text"], line["is_main_result"]) for line in cell.results] == [("[1] 2", False), ('[1] "bar"', False)]


def test_r_prints(r):
    assert r.run('print("Hello, World!")').stdout == '[1] "Hello, World!"\n'


def test_r_plots(r):
    cell = r.run("plot(1:3); lines(3:1); 42; hist(c(1, 2, 2))")
    assert [sorted(line.keys() & {"png", "text"}) for line in cell.results] == [["text"], ["png"], ["png"]] \
        or [sorted(line.keys() & {"png", "text"}) for line in cell.results] == [["png"], ["text"], ["png"]]
    assert all(line["png"].startswith("iVBORw0KGgo") for line in cell.results if "png" in line)


def test_r_tables(r):
    [line] = r.run("data.frame(a = 1:2, b = c('x', '<y>'))").results
    assert line["text"] == "  a   b\n1 1   x\n2 2 <y>"
    assert "<td>&lt;y&gt;</td>" in line["html"]


def test_r_errors(r):
    error = r.run("f <- function(a) g(a); g <- function(b) stop('deep ', b); f(3)").error
    assert (error["name"], error["value"]) == ("Error", "deep 3")
    assert "1. f(3)\n2. g(a)" in error["traceback"]
    assert r.run("1 +").error["name"] == "SyntaxError"


def test_r_warnings_and_messages(r):
    cell = r.run("w <- function() warning('careful'); w(); message('told'); 7")
    assert cell.stderr == "Warning in w() : careful\ntold\n"
    assert cell.results[0]["text"] == "[1] 7"


def test_r_quits(fresh):
    r = fresh("r")
    assert (error := r.run("quit(status = 3)").error)["name"] == "SystemExit" and error["value"] == "3"
    assert r.value("1") == "[1] 1"


# Java.


@pytest.mark.parametrize("code, text", [
    ("1 + 1", "2"), ("int x1 = 5; x1", "5"), ("int twice(int a) { return a * 2; }\ntwice(21)", "42"), ('"text"', "text"),
    ("record Pair(int a, String b) {}\nnew Pair(1, \"é\")", "Pair[a=1, b=é]"), ("Stream.of(1, 2).map(i -> i * 2).toList()", "[2, 4]"),
    ("import java.time.*;\nDuration.ofSeconds(5)", "PT5S"), ("class V { int v = 3; }\nvar v1 = new V(); v1.v", "3"),
])
def test_java_values(java, code, text):
    assert java.value(code) == text


def test_java_println_gives_text_and_line_break_apart(java):
    assert java.run('System.out.println("Hello, World!");').events == [("o", "Hello, World!"), ("o", "\n")]


@pytest.mark.parametrize("code, name, value", [
    ("int y1 = ;", "CompilationException", "illegal start of expression"),
    ("for (int i = 0; i < 3; i++) {", "CompilationException", "the code ends in the middle of a statement"),
    ('throw new IllegalStateException("boom");', "java.lang.IllegalStateException", "boom"),
    ("new Scanner(System.in).nextLine()", "java.util.NoSuchElementException", "No line found"),
])
def test_java_errors(java, code, name, value):
    error = java.run(code).error
    assert (error["name"], error["value"]) == (name, value)


def test_java_declarations_may_change(java):
    java.run("int again = 1;")
    assert java.value('String again = "now text"; again') == "now text"


def test_java_environment(java):
    assert java.value('System.getenv("ONCE") + System.getProperty("ONCE")', env={"ONCE": "o"}) == "oo"
    assert java.value('System.getenv("ONCE") + System.getProperty("ONCE")') == "nullnull"
