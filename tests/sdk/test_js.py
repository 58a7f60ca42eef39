"""The JavaScript SDK: the files below js/, run by Node's test runner; each of their tests is one here."""

import json
import os
import pathlib
import re
import subprocess

import pytest

JS = pathlib.Path(__file__).with_name("js")
FILES = sorted(JS.glob("*.test.mjs"))


def declared():
    for path in FILES:
        for name in re.findall(r"^test\('(.+?)',", path.read_text(), re.M):
            yield pytest.param(path, name, id=f"{path.name.removesuffix('.test.mjs')}-{name}")


@pytest.fixture(scope="module")
def results(served, packages):
    """results(path) -> {name: what the reporter says}; runs a file when it is asked for the first time."""
    known = {}

    def run(path):
        if path not in known:
            environment = {**os.environ, "WARREN_SDK_NODE": str(packages / "node"), "WARREN_OTHER_KEY": served.other_key}
            done = subprocess.run(["node", "--test", f"--test-reporter={JS / 'reporter.mjs'}", str(path)],
                                  capture_output=True, text=True, timeout=400, env=environment)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            known[path] = {line["name"]: line for line in lines}, done
        return known[path]

    return run


@pytest.mark.parametrize("path,name", declared())
def test_js(results, path, name):
    found, done = results(path)
    assert name in found, f"{path.name} did not run it:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert not found[name]["skipped"], "skipped"
    assert found[name]["ok"], found[name]["error"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_js_file_ends_well(results, path):
    """Nothing failed outside the tests that are counted above."""
    found, done = results(path)
    names = {parameter.values[1] for parameter in declared() if parameter.values[0] == path}
    others = [one for name, one in found.items() if name not in names and not one["ok"] and not name.endswith(path.name)]
    assert names and not others, others
    assert done.returncode == 0 or any(not found[name]["ok"] for name in names if name in found), done.stdout[-3000:] + done.stderr[-3000:]
