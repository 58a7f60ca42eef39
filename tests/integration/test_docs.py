"""The documentation is true: its examples run, and what it names exists.

Fenced blocks are marked with what they are: `console` (a root prompt "# ", continued behind "> ", then the output: run and
compared), `python` (E2B's packages: run by tests/sdk; the package `warren`: by tests/python), `c` (by tests/python), `sh`
(commands for a new user: their targets, scripts and tests have to exist), `text` (anything else: not run). In a console block a name of 20 letters and digits stands for any sandbox id, a number
with a unit of time for any such time, and a line "..." for any lines.
"""

import functools
import itertools
import os
import pathlib
import re
import subprocess

import pytest

import warren
from pages import blocks, pattern

SHOWN_PROGRAM = "build/src/cli/warren"
SHOWN_SOCKET = "/run/warren/warren.sock"
LANGUAGES = {"c", "console", "python", "sh", "text"}
PAGES = sorted([*warren.REPOSITORY.glob("*.md"), *warren.REPOSITORY.glob("docs/**/*.md")])
every_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(warren.REPOSITORY)) for page in PAGES])


def prose(page):
    """The text outside of fenced blocks."""
    return "".join(part for index, part in enumerate(re.split(r"^```.*\n", page.read_text(), flags=re.M)) if index % 2 == 0)


def of_language(language):
    cases = [(page, number, lines) for page in PAGES for name, number, lines in blocks(page) if name == language]
    names = [f"{page.relative_to(warren.REPOSITORY)}:{number}" for page, number, _ in cases]
    return pytest.mark.parametrize("page, number, lines", cases, ids=names)


# ---- console blocks ----


def examples(lines):
    """(command, expected output lines) of each prompt."""
    found = []
    for line in lines:
        if line.startswith("# "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        else:
            assert found, f"output before the first prompt: {line!r}"
            found[-1][1].append(line)
    return found


def replay(server, lines, path):
    """Runs the commands of a block and compares; documented ids stand for the ones that were really printed."""
    known = {}
    for command, expected in examples(lines):
        real = command.replace(SHOWN_PROGRAM, "warren").replace(SHOWN_SOCKET, server.socket)
        for shown, actual in known.items():
            real = real.replace(shown, actual)
        environment = {**os.environ, "WARREN_SOCKET": server.socket, "WARREN_DATA_DIR": server.data,
                       "WARREN_STATE_DIR": f"{path}/state", "PATH": f"{path}:{os.environ['PATH']}"}
        done = subprocess.run(["/bin/bash", "-c", real], cwd=warren.REPOSITORY, env=environment, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wanted, ids = pattern(expected)
        match = re.fullmatch(wanted, done.stdout)
        assert match, f"{command}\nprinted\n{done.stdout}\nand the page says\n" + "\n".join(expected)
        for shown, actual in zip(ids, match.groups()):
            assert known.setdefault(shown, actual) == actual, f"{command}: {shown} stands for {known[shown]} and {actual}"


@pytest.fixture
def program_path(tmp_path):
    (tmp_path / "warren").symlink_to(os.path.realpath(warren.binary()))
    return tmp_path


@of_language("console")
def test_console_example(server, program_path, page, number, lines):
    before = {entry["sandboxID"] for entry in server.list()}
    replay(server, lines, program_path)
    assert {entry["sandboxID"] for entry in server.list()} == before, "the example leaves a sandbox"


@pytest.mark.parametrize("lines", [
    ["# warren run examples/factorial.py", "121"],
    ["# warren run examples/factorial.py"],
    ["# warren run examples/factorial.py", "120", "done"],
    ["# warren no-such-command"],
    ["# warren ps --no-such-option"],
    ["# warren version", "..."] + ["no such line"],
])
def test_a_wrong_example_fails(server, program_path, lines):
    with pytest.raises(AssertionError):
        replay(server, lines, program_path)


def test_placeholders():
    wanted, ids = pattern(["made d8a0w3jv1x6m2k9q4c7z in 1.5 ms", "...", "2 of 3"])
    assert ids == ["d8a0w3jv1x6m2k9q4c7z"]
    assert re.fullmatch(wanted, "made aaaaaaaaa1aaaaaaaaaa in 200 ms\nx\ny\n2 of 3\n")
    for wrong in ("made short in 200 ms\n2 of 3\n", "made aaaaaaaaa1aaaaaaaaaa in 200 s\n2 of 3\n",
                  "made aaaaaaaaa1aaaaaaaaaa in 200 ms\n2 of 4\n"):
        assert not re.fullmatch(wanted, wrong)


# ---- sh blocks ----


def check_command(line):
    """What a line of an sh block calls has to exist."""
    words = line.split("#")[0].split()
    if words and words[0] == "sudo":
        words = words[1:]
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if not words:
        return
    root = warren.REPOSITORY
    if words[0] == "make":
        for target in [word for word in words[1:] if "=" not in word]:
            assert re.search(rf"^{re.escape(target)}:", (root / "Makefile").read_text(), re.M), f"no target {target}: {line}"
    elif words[:2] == ["meson", "test"]:
        folder, _, name = words[-1].partition("/")
        assert (root / f"tests/unit/{folder}/test_{name}.c").is_file(), f"no such test: {line}"
    elif words[:3] == ["python3", "-m", "pytest"]:
        assert (root / words[-1]).exists(), f"no such test: {line}"
    elif words[0].startswith(("tools/", "tests/")):
        check_script(words)
    else:
        assert words[0] in (SHOWN_PROGRAM, "warren"), f"an sh block calls something that cannot be checked: {line}"
        check_warren(words[1:])


def check_script(words):
    script = warren.REPOSITORY / words[0]
    assert script.is_file(), f"no script {words[0]}"
    for option in [word for word in words[1:] if word.startswith("--")]:
        assert option in script.read_text(), f"{words[0]} has no option {option}"


@of_language("sh")
def test_sh_block(page, number, lines):
    for line in lines:
        check_command(line)


@pytest.mark.parametrize("line", [
    "make no-such-target", "sudo make build no-such-target", "tools/no-such-script", "tools/bench --no-such-option",
    "meson test -C build-test --suite unit template/nothing", "warren nothing", "warren run --nothing", "curl example.org"])
def test_a_wrong_command_fails(line):
    with pytest.raises(AssertionError):
        check_command(line)


# ---- commands and options in prose ----


@functools.lru_cache(maxsize=None)
def help_of(command):
    done = subprocess.run([warren.binary(), "help", command], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"there is no command {command}: {done.stderr}"
    return done.stdout


def check_warren(words):
    """Words behind `warren`: a subcommand, and options that its help names."""
    if words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        text = help_of(words[0])
    else:
        text = subprocess.run([warren.binary(), "--help"], capture_output=True, text=True, timeout=20).stdout + " --version "
    for option in itertools.takewhile(lambda word: word != "--", words[1:]):
        if option.startswith("--"):
            name = option.split("=")[0]
            assert name == "--help" or re.search(rf"{re.escape(name)}[ ,\n]", text), f"warren {words[0]} has no {option}"


@every_page
def test_commands_in_prose_exist(page):
    for code in re.findall(r"`([^`]+)`", prose(page)):
        words = code.split()
        if words[:1] == ["warren"] and words[1:]:
            check_warren([word for word in words[1:] if not word.startswith("[")])
        elif words[:1] == ["sudo"] or words[:1] == ["make"]:
            check_command(code)
        elif words and words[0].startswith("tools/") and (words[1:] or "." not in words[0]):
            check_script(words)


def test_reference_of_commands_is_the_help():
    done = subprocess.run([warren.binary(), "help", "--markdown"], capture_output=True, text=True, check=True, timeout=20)
    assert (warren.REPOSITORY / "docs/cli.md").read_text() == done.stdout, "write docs/cli.md anew: warren help --markdown"


def test_the_readme_names_every_command():
    shown = (warren.REPOSITORY / "docs/cli.md").read_text().partition("commands:\n")[2].partition("\n\n")[0]
    commands = {line.split()[0] for line in shown.splitlines()}
    paragraph = (warren.REPOSITORY / "README.md").read_text().partition("## Commands")[2].partition("## ")[0]
    named = {text.removeprefix("warren ") for text in re.findall(r"`([^`]+)`", paragraph)}
    assert len(commands) > 30 and commands - {"help"} <= named


# ---- what pages name ----


@functools.lru_cache(maxsize=None)
def tree():
    """All files and folders of the source tree, as "/src/base/buf.c" and "/src/base"."""
    found = set()
    for directory, folders, files in os.walk(warren.REPOSITORY):
        relative = pathlib.Path(directory).relative_to(warren.REPOSITORY)
        folders[:] = [name for name in folders
                      if name not in (".git", "__pycache__") and (relative.parts or not name.startswith("build"))]
        found |= {f"/{relative / name}" for name in [*files, *folders]}
    return found


def expand(text):
    """Braces as the shell has them."""
    match = re.search(r"\{([^{}]*)\}", text)
    if not match:
        return [text]
    return [one for word in match.group(1).split(",") for one in expand(text[:match.start()] + word + text[match.end():])]


def named_paths(text):
    """Paths of the source tree in a text: below a folder of its root, or names of source files."""
    rooted = re.findall(r"(?<![\w./<>-])((?:src|tests|tools|docs|examples)/[\w./{},*<>-]*)", text)
    files = re.findall(r"`([\w./{},-]+\.(?:c|h|py|md))`", text)
    for path in {*rooted, *files}:
        if "<" not in path:
            yield from expand(path.rstrip(".,"))


def path_exists(path):
    path = path.rstrip("/")
    if "*" in path:
        return any(warren.REPOSITORY.glob(path))
    return any(entry.endswith(f"/{path}") for entry in tree())


@every_page
def test_named_paths_exist(page):
    missing = sorted(path for path in named_paths(page.read_text()) if not path_exists(path))
    assert not missing, f"{page} names what is not in the tree: {missing}"


def test_a_wrong_path_is_found():
    text = "`nothing_of_this_name.c` and src/{base,nowhere}/ or `exec/start.c`"
    assert [path for path in named_paths(text) if not path_exists(path)] in (
        ["nothing_of_this_name.c", "src/nowhere/"], ["src/nowhere/", "nothing_of_this_name.c"])


@every_page
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{page}: the link {target} leads nowhere"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", prose(linked), re.M)
            names = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in names, f"{page}: {linked.name} has no heading {anchor}"


@every_page
def test_no_paths_of_a_workplace(page):
    text = page.read_text()
    here = re.escape(str(warren.REPOSITORY))
    assert not re.search(rf"(?<![\w.-]){here}(?![\w.-])", text), f"{page} names the folder that this tree lies in"
    found = re.findall(r"(?<![\w.])/(?:home/\w+|tmp/[\w-]+)", text)
    assert not found, f"{page} names private folders: {found}"


@every_page
def test_form(page):
    """Blocks are marked with their language, none is made by mere indentation, and prose is wrapped."""
    wrong = [(number, language) for language, number, _ in blocks(page) if language not in LANGUAGES]
    assert not wrong, f"{page}: blocks without a known language: {wrong}"
    lines = prose(page).splitlines()
    indented = [line for before, line in zip(lines, lines[1:]) if not before.strip() and line.startswith("    ")]
    assert not indented, f"{page}: blocks without a fence: {indented}"
    long = [line for line in lines if len(line) > 120 and not line.lstrip().startswith("|")]
    assert not long, f"{page}: lines of more than 120 columns: {long}"
