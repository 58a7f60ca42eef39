#!/usr/bin/env python3
"""What libwarren.so shows is what its headers declare, and what the version script lists: no more, no less.

usage: symbols.py LIBRARY VERSION_SCRIPT DIRECTORY_OF_HEADERS
"""

import pathlib
import re
import subprocess
import sys

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DECLARATION = re.compile(r"^WR_PUBLIC\b(.*?);", re.DOTALL | re.MULTILINE)
FUNCTION = re.compile(r"\b(wr_\w+)\s*\(")
LISTED = re.compile(r"^\s+(wr_\w+);$", re.MULTILINE)


def declared(directory):
    for header in sorted(pathlib.Path(directory).rglob("*.h")):
        text = COMMENT.sub("", header.read_text(encoding="utf-8"))
        for declaration in DECLARATION.findall(text):
            yield FUNCTION.search(declaration).group(1)


def shown(library):
    out = subprocess.run(["nm", "--dynamic", "--defined-only", "--format=posix", library], check=True, capture_output=True,
                         text=True).stdout
    for line in out.splitlines():
        name, kind, *_ = line.split()
        if kind != "A":  # the name of the version itself
            yield name.split("@")[0]


def main():
    library, script, headers = sys.argv[1:]
    listed = LISTED.findall(pathlib.Path(script).read_text(encoding="utf-8"))
    wrong = [f"{script}: not in alphabetical order"] if listed != sorted(listed) else []
    expected = set(declared(headers))
    if not expected:
        wrong.append(f"{headers}: nothing is declared WR_PUBLIC")
    for what, names in ((script, set(listed)), (library, set(shown(library)))):
        wrong += [f"{what}: lacks {name}, which a header declares" for name in sorted(expected - names)]
        wrong += [f"{what}: has {name}, which no header declares" for name in sorted(names - expected)]
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
