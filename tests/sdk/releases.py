"""The releases of the official packages that are installed, and what each has to be able to do (compat/)."""

import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent
PYTHON = sorted(path.stem for path in (HERE / "packages/python").glob("e2b-*.txt"))
NODE = [name for name in json.loads((HERE / "packages/node/package.json").read_text())["dependencies"] if name.startswith("e2b")]


def newest_python():
    """Name of the environment that holds nothing but the newest release."""
    return max(PYTHON, key=lambda name: [int(part) for part in name.removeprefix("e2b-").split(".")])


def smoke(server, packages, release):
    """Runs the release's smoke test with what a user of this server would have in the environment -> what it printed."""
    if release in PYTHON:
        command = [packages / release / "bin/python", HERE / "compat/smoke.py"]
    else:
        command = ["node", HERE / "compat/smoke.cjs", packages / "node/node_modules", release]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("E2B_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**kept, **server.settings(server.key)})
    assert done.returncode == 0 and "smoke passed" in done.stdout, f"{done.stdout}\n{done.stderr}"
    return done.stdout
