"""Programs in the guides do what the guides say.

Each ```python block that imports `warren`, and each ```c block, is a whole program. It runs in an empty directory, against a
real service that WARREN_SOCKET names, with WARREN_STATE_DIR set; C is compiled as C11 with every warning an error. It has to
end with exit status 0 within a minute. A ```text block that follows it directly is all of its standard output: "..." stands
for any lines, and names of 20 letters and digits and times with a unit for any such.
"""

import os
import re
import subprocess
import sys

import pytest
from conftest import LIBRARY, PACKAGE, REPOSITORY
from pages import blocks, pattern

PAGES = [*sorted((REPOSITORY / "docs/guides").glob("*.md")), REPOSITORY / "README.md", PACKAGE / "README.md"]
# One page per pattern; each shows a program.
PATTERNS = ["ephemeral", "session", "pool", "orchestrator", "testing", "secure", "wrappers", "observability", "python"]
USES_WARREN = re.compile(r"^\s*(?:from|import) warren\b", re.M)


def is_program(language, text):
    return language == "c" or (language == "python" and USES_WARREN.search(text) is not None)


def programs(page):
    """(language, line number, text, lines of its output or None) of each."""
    text = page.read_text()
    found = blocks(page)
    lines = text.splitlines()
    for (language, number, code), following in zip(found, [*found[1:], None]):
        if not is_program(language, "\n".join(code)):
            continue
        end = number + len(code) + 1
        directly = following is not None and following[0] == "text" and not any(line.strip() for line in lines[end:following[1] - 1])
        yield language, number, "\n".join(code) + "\n", following[2] if directly else None


CASES = [pytest.param(*program, id=f"{page.relative_to(REPOSITORY)}:{program[1]}") for page in PAGES for program in programs(page)]


def compile_c(text, directory):
    source, program = directory / "program.c", directory / "program"
    source.write_text(text)
    done = subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{REPOSITORY}/include", source, "-o", program,
                           f"-L{LIBRARY.parent}", f"-Wl,-rpath,{LIBRARY.parent}", "-l:libwarren.so.0"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [program]


def save_python(text, directory):
    (directory / "program.py").write_text(text)
    return [sys.executable, "-B", directory / "program.py"]


PREPARE = {"c": compile_c, "python": save_python}


def run_program(language, text, expected, tmp_path, environment):
    (tmp_path / "code").mkdir()
    (tmp_path / "cwd").mkdir()
    command = PREPARE[language](text, tmp_path / "code")
    done = subprocess.run(command, cwd=tmp_path / "cwd", capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env={**environment, "PYTHONPATH": str(PACKAGE / "src"), "WARREN_STATE_DIR": str(tmp_path / "state")})
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    if expected is not None:
        assert re.fullmatch(pattern(expected)[0], done.stdout), f"it printed\n{done.stdout}\nand the page says\n" + "\n".join(expected)


@pytest.mark.parametrize("language, number, text, expected", CASES)
def test_program(language, number, text, expected, tmp_path, endpoint, none_left):
    run_program(language, text, expected, tmp_path, endpoint)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_has_a_page_with_a_program(name):
    assert list(programs(REPOSITORY / f"docs/guides/{name}.md"))


@pytest.mark.parametrize("language, text, expected", [
    ("python", "print(1)", ["2"]), ("python", "print(1)\nprint(2)", ["1"]), ("python", "import no_such_module", None),
    ("c", "#include <stdio.h>\nint main(void) { puts(\"1\"); return 0; }", ["2"]), ("c", "int main(void) { return 3; }", None),
    ("c", "int main(void) { int unused; return 0; }", None)])
def test_a_wrong_program_fails(language, text, expected, tmp_path):
    with pytest.raises(AssertionError):
        run_program(language, text, expected, tmp_path, dict(os.environ))


def test_programs_of_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nimport other\n```\n\n```python\nfrom warren import x\n```\n\n```text\nout\n```\n\n"
                    "```c\nint x;\n```\nProse.\n\n```text\nno output\n```\n")
    assert list(programs(page)) == [("python", 5, "from warren import x\n", ["out"]), ("c", 13, "int x;\n", None)]
