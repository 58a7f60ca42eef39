"""Copies of the data directory, with the base template only, by hard links: for servers beside the one that has the original.

Making and removing one takes seconds, so those that nobody uses any more wait for the next user; the process's end removes them.
"""

import atexit
import contextlib
import json
import pathlib
import subprocess
import tempfile

import warren

_waiting = []


def _make():
    source = pathlib.Path(warren.data_dir())
    made = tempfile.mkdtemp(prefix=f"{source.name}.", dir=source.parent)
    atexit.register(subprocess.run, ["rm", "-rf", "--one-file-system", made], check=False)
    base = json.loads((source / "templates/base.json").read_text(encoding="utf-8"))
    for directory, files in (("layers", base["layers"]), ("templates", ["base.json"])):
        target = pathlib.Path(made, directory)
        target.mkdir(mode=(source / directory).stat().st_mode & 0o777)
        subprocess.run(["cp", "-al", *[source / directory / name for name in files], target], check=True)
    return made


@contextlib.contextmanager
def borrowed():
    """One for as long as the context lasts. Its servers must have ended by then."""
    directory = _waiting.pop() if _waiting else _make()
    try:
        yield directory
    finally:
        _waiting.append(directory)
