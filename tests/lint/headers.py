#!/usr/bin/env python3
"""Compiles every header of src/ and include/ alone, to show that it includes what it needs.

usage: headers.py ROOT COMPILER [ARGUMENT...]     TAP on stdout
"""

import pathlib
import subprocess
import sys

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"]


def main():
    root = pathlib.Path(sys.argv[1])
    compiler = sys.argv[2:]
    folders = [root / "src", root / "include"]
    headers = sorted(path.relative_to(folder) for folder in folders for path in folder.rglob("*.h"))
    if not headers:
        sys.exit(f"headers.py: no headers below {root}/src")
    print(f"1..{len(headers)}")
    failed = 0
    for number, header in enumerate(headers, 1):
        # Twice: a header must also bear to be included again.
        source = f'#include "{header}"\n#include "{header}"\n'
        command = compiler + [f"-I{folder}" for folder in folders] + FLAGS
        result = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        failed += result.returncode != 0
        print(f"{'not ok' if result.returncode else 'ok'} {number} - {header}")
        for line in result.stderr.splitlines():
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
