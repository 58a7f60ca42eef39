#!/usr/bin/env python3
"""Checks conventions that a compiler cannot: sizes, banned calls and libraries, close-on-exec, unfinished work.

usage: conventions.py ROOT     prints "file:line: what" per finding; exit status 1 if there is one
"""

import pathlib
import re
import sys

# Libraries that must stay out of a process.
BANNED_LIBRARIES = {
    "engine": ("sqlite3.h", "curl/"),
    "nest": ("sqlite3.h", "curl/", "openssl/"),
    "agent": ("sqlite3.h", "curl/", "openssl/"),
}
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 80

BANNED_CALL = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|system|popen)\s*\(")
# These have no flag for close-on-exec at all.
PLAIN_FD_CALL = re.compile(r"(?<![\w.>])(pipe|accept|dup|creat|epoll_create|inotify_init)\s*\(")
FD_CALL = re.compile(
    r"(?<![\w.>])(open|openat|wr_openat2|socket|socketpair|accept4|pipe2|epoll_create1|memfd_create|signalfd|"
    r"eventfd|timerfd_create|inotify_init1|open_tree|fsopen|fsmount|fanotify_init)\s*\("
)
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s*<([^>]+)>")
TYPEDEF = re.compile(r"^\s*typedef\s+(struct|union|enum)\b(?!.*\(\*\w+\)\()")  # a function may return a struct
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.DOTALL)


def blank(match):
    """A comment or literal without its content, with its line breaks."""
    text = match.group(0)
    return '""' if text[0] in "\"'" else "\n" * text.count("\n") or " "


def call_text(code, opening):
    """The arguments of the call whose "(" is at `opening`."""
    depth = 0
    for i in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[i], 0)
        if depth == 0:
            return code[opening : i + 1]
    return code[opening:]


def line_of(code, offset):
    return code.count("\n", 0, offset) + 1


def check_libraries(folder, lines):
    for number, line in enumerate(lines, 1):
        match = SYSTEM_INCLUDE.match(line)
        if match and match.group(1).startswith(BANNED_LIBRARIES.get(folder, ("\0",))):
            yield number, f"{folder}/ must not use <{match.group(1)}>"


def check_functions(code):
    """In this style a brace in the first column is a function's."""
    start = None
    for number, line in enumerate(code.split("\n"), 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > MAX_FUNCTION_LINES:
                yield start, f"function of {number - start - 1} lines (at most {MAX_FUNCTION_LINES})"
            start = None


def check_code(code):
    for number, line in enumerate(code.split("\n"), 1):
        if TYPEDEF.match(line):
            yield number, "typedef of a struct, union or enum: write the tag"
    for match in BANNED_CALL.finditer(code):
        yield line_of(code, match.start()), f"{match.group(1)}() is banned"


def sets_cloexec(code, arguments):
    """The flag itself, or a variable that was given it."""
    return "CLOEXEC" in arguments or any(
        re.search(rf"\b{name}\s*\|?=[^;=]*CLOEXEC", code) for name in IDENTIFIER.findall(arguments)
    )


def check_descriptors(code, lines):
    for match in PLAIN_FD_CALL.finditer(code):
        yield line_of(code, match.start()), f"{match.group(1)}() makes a descriptor that survives exec"
    for match in FD_CALL.finditer(code):
        number = line_of(code, match.start())
        if lines[number - 1][:1].strip():
            continue  # starts in the first column: a declaration
        arguments = call_text(code, match.end() - 1)
        # A comment with the word explains an exception, such as NOLINT(android-cloexec-...) for stdio.
        near = lines[number - 1 : number + arguments.count("\n")]
        if not sets_cloexec(code, arguments) and not any("cloexec" in line.lower() for line in near):
            yield number, f"{match.group(1)}() without CLOEXEC"


def check_c_file(text, folder):
    """`folder` is the name below src/, or None elsewhere."""
    lines = text.split("\n")
    code = TOKEN.sub(blank, text)
    if folder is not None:
        yield from check_libraries(folder, lines)
        yield from check_descriptors(code, lines)
    yield from check_code(code)
    yield from check_functions(code)


def check_any_file(text):
    lines = text.splitlines()
    if len(lines) > MAX_FILE_LINES:
        yield MAX_FILE_LINES, f"{len(lines)} lines (at most {MAX_FILE_LINES})"
    for number, line in enumerate(lines, 1):
        match = UNFINISHED.search(line)
        if match:
            yield number, f"unfinished work: {match.group(1)}"


def lint(root):
    for top in ["src", "include", "tests", "tools"]:
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in {".c", ".h", ".py", ".sh", ".build"} or not path.is_file():
                continue
            relative = path.relative_to(root)
            text = path.read_text(encoding="utf-8")
            findings = list(check_any_file(text))
            if path.suffix in {".c", ".h"}:
                folder = relative.parts[1] if top == "src" and len(relative.parts) > 2 else None
                findings += check_c_file(text, folder)
            for number, what in sorted(findings):
                yield f"{relative}:{number}: {what}"


def main():
    root = pathlib.Path(sys.argv[1])
    if not any((root / "src").rglob("*.c")):
        sys.exit(f"conventions.py: no C files below {root}/src; give the root of the source tree")
    findings = list(lint(root))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
