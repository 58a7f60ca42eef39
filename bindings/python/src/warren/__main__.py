"""The command line: `warren` of the package, or `python -m warren`, is the program that the wheel holds."""

import os
import pathlib
import sys


def main() -> None:
    program = pathlib.Path(__file__).resolve().parent / "lib/warren"
    if not program.is_file():
        sys.exit("warren: this installation holds no program `warren`, only the library")
    os.execv(program, ["warren", *sys.argv[1:]])


if __name__ == "__main__":
    main()
