#!/usr/bin/env python3
"""Compiles every header of include/ alone as an application would: strict C11, and C++17.

usage: public_headers.py DIRECTORY_OF_HEADERS C_COMPILER C++_COMPILER     TAP on stdout
"""

import pathlib
import subprocess
import sys

STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
DIALECTS = {"C11": ["-std=c11", "-x", "c"], "C++17": ["-std=c++17", "-x", "c++"]}


def main():
    root = pathlib.Path(sys.argv[1])
    compilers = dict(zip(DIALECTS, sys.argv[2:4], strict=True))
    headers = sorted(path.relative_to(root) for path in root.rglob("*.h"))
    if not headers:
        sys.exit(f"public_headers.py: no headers below {root}")
    print(f"1..{len(headers) * len(DIALECTS)}")
    number = failed = 0
    for dialect, arguments in DIALECTS.items():
        for header in headers:
            number += 1
            source = f'#include "{header}"\n#include "{header}"\nint main(void) {{ return 0; }}\n'
            result = subprocess.run([compilers[dialect], f"-I{root}", *STRICT, *arguments, "-"], input=source, capture_output=True,
                                    text=True, check=False)
            failed += result.returncode != 0
            print(f"{'not ok' if result.returncode else 'ok'} {number} - {header} as {dialect}")
            for line in result.stderr.splitlines():
                print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
