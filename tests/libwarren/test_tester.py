"""Tests of code and of projects, in sandboxes of a real server."""

import os
import re
import tarfile
import xml.etree.ElementTree as ElementTree

import pytest
from execution import AUTHORITIES, run

READS = "import json\nprint(json.load(open('/test_input.json'))['n'] ** 2)"


def run_tester(endpoint, given, **script):
    return run(endpoint, given, kind="tester", **script)[0]


# What readers of JUnit's XML know, as in the schema of Jenkins (junit-10.xsd): attributes that have to be there, and those that may.
KNOWN = {
    "testsuites": ((), ("name", "time", "tests", "failures", "errors")),
    "testsuite": (("name", "tests", "failures", "errors"), ("time", "skipped", "timestamp", "hostname")),
    "testcase": (("name",), ("time", "classname")),
    "failure": ((), ("type", "message")),
    "error": ((), ("type", "message")),
    "skipped": ((), ("type", "message")),
    "system-out": ((), ()),
    "system-err": ((), ()),
}


def check_schema(report):
    for element in ElementTree.fromstring(report).iter():
        needed, possible = KNOWN[element.tag]
        assert set(needed) <= set(element.keys()) <= {*needed, *possible}, element.attrib
        assert re.fullmatch(r"[0-9]+\.[0-9]+", element.get("time", "0.0"))


def cases(report):
    """{name: the element inside, or None} of a report in JUnit's XML, whose counts have to fit."""
    check_schema(report)
    suite = ElementTree.fromstring(report).find("testsuite")
    found = {case.get("name"): next((child.tag for child in case if child.tag != "system-out"), None) for case in suite}
    counts = {tag: list(found.values()).count(tag) for tag in ("failure", "error", "skipped")}
    assert suite.get("tests") == str(len(found))
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == tuple(str(counts[tag]) for tag in ("failure", "error", "skipped"))
    return found


# Cases


def test_cases(endpoint, none_left):
    output = run_tester(endpoint, {"code": READS, "test_cases": [
        {"name": "two", "input": {"n": 2}, "expected_output": "4"},
        {"name": "pattern", "input": {"n": 12}, "expected_regex": "^14+$"},
        {"name": "number", "input": {"n": 0.1}, "expected_number": 0.01, "tolerance": 1e-9},
        {"name": "wrong", "input": {"n": 3}, "expected_output": "8"},
        {"name": "no number", "input": {"n": "x"}},
    ]})
    assert [one["test"] for one in output["results"]] == ["two", "pattern", "number", "wrong", "no number"]
    assert [one["outcome"] for one in output["results"]] == ["passed", "passed", "passed", "failed", "failed"]
    assert (output["tests_passed"], output["tests_failed"], output["tests_errored"]) == (3, 2, 0)
    assert (output["success"], output["outcome"]) == (False, "failed")
    wrong, broken = output["results"][3:]
    assert (wrong["output"], wrong["expected"]) == ("9\n", "8")
    assert broken["error"].startswith("TypeError: ")
    assert cases(output["junit_xml"]) == {"two": None, "pattern": None, "number": None, "wrong": "failure", "no number": "failure"}


def test_standard_input(endpoint):
    code = ("import sys, subprocess\nname = input('name? ')\nprint(name, sys.stdin.readline().strip())\n"
            "print(subprocess.run(['cat'], capture_output=True, text=True).stdout)\n"
            "try:\n    input()\nexcept EOFError:\n    print('end')")
    output = run_tester(endpoint, {"code": code, "test_cases": [
        {"input": "Ann\nh\u00e9llo\n", "expected_output": "name? Ann h\u00e9llo\n\nend"},
        {"input": "B\x1b\u20ac", "expected_regex": "B"},
    ]})
    assert output["success"], output["results"]


def test_lines_of_tracebacks_are_the_code_s(endpoint):
    code = "a = 1\nb = 2\nraise ValueError(input())"
    result = run_tester(endpoint, {"code": code, "test_cases": [{"input": "x"}]})["results"][0]
    assert result["error"] == "ValueError: x"
    shown = run_tester(endpoint, {"code": "import traceback\ntry:\n    1/0\nexcept Exception as e:\n    print(e.__traceback__.tb_lineno)",
                                  "test_cases": [{"input": "text", "expected_output": "3"}]})
    assert shown["success"], shown["results"]


def test_no_case_sees_another(endpoint, none_left):
    code = "import os\nprint('x' in globals(), os.path.exists('trace'))\nx = 1\nopen('trace', 'w').close()"
    output = run_tester(endpoint, {"code": code, "test_cases": [{"expected_output": "False False"}] * 6}, options={"max_concurrent": 3})
    assert output["tests_passed"] == 6


def test_a_case_has_its_time(endpoint, none_left):
    output = run_tester(endpoint, {"code": "import json, time\ntime.sleep(json.load(open('/test_input.json')))", "test_cases": [
        {"name": "slow", "input": 60, "timeout": 0.5}, {"name": "quick", "input": 0}]})
    assert [one["outcome"] for one in output["results"]] == ["timeout", "passed"]
    assert cases(output["junit_xml"]) == {"slow": "failure", "quick": None}


def test_infrastructure_is_told_apart(endpoint):
    output = run_tester(endpoint, {"code": "1", "test_cases": [{}]}, sandbox={"template": "no-such-template"})
    assert (output["outcome"], output["tests_errored"], output["success"]) == ("infrastructure_error", 1, False)
    assert output["results"][0]["outcome"] == "infrastructure_error"


def test_output_that_is_no_xml(endpoint):
    output = run_tester(endpoint, {"code": "print('<a>&\"\\x00\\x1b]]>\\uffff')", "test_cases": [{"name": "<&\">", "expected_output": "no"}]})
    assert cases(output["junit_xml"]) == {"<&\">": "failure"}


def test_other_languages(endpoint):
    output = run_tester(endpoint, {"code": "cat /test_input.json", "language": "bash", "test_cases": [{"input": ["a b"], "expected_output": '["a b"]'}]})
    assert output["success"], output["results"]


# Projects


PASSES = "import unittest\nfrom package.module import value\n\nclass Some(unittest.TestCase):\n    def test_value(self):\n        self.assertEqual(value, 7)\n"
FAILS = "\n    def test_wrong(self):\n        self.assertEqual(value, 8, '<&>\\x01')\n\n    @unittest.skip('later')\n    def test_later(self):\n        pass\n"


@pytest.fixture
def project(tmp_path):
    """Writes a project: project({path: text})."""
    def write(files):
        root = tmp_path / "project"
        for path, text in {"package/__init__.py": "", "package/module.py": "value = 7", **files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return str(root)

    return write


def test_unittest(endpoint, project, none_left):
    output = run_tester(endpoint, {"project": project({"test_some.py": PASSES}), "runner": "unittest"})
    assert (output["outcome"], output["success"], output["exit_code"], output["error"]) == ("passed", True, 0, None), output
    assert (output["tests_passed"], output["tests_failed"]) == (1, 0)
    assert [one["test"] for one in output["results"]] == ["test_some.Some::test_value"]
    assert cases(output["junit_xml"]) == {"test_value": None}


def test_unittest_that_fails(endpoint, project):
    output = run_tester(endpoint, {"project": project({"test_some.py": PASSES + FAILS}), "runner": "unittest", "args": ["-v", "test_some"]})
    assert (output["outcome"], output["success"], output["exit_code"]) == ("failed", False, 1)
    assert (output["tests_passed"], output["tests_failed"], output["tests_skipped"]) == (1, 1, 1)
    assert cases(output["junit_xml"]) == {"test_value": None, "test_wrong": "failure", "test_later": "skipped"}
    assert "test_wrong" in output["output"] and "FAILED" in output["output"]


@pytest.mark.parametrize(("files", "outcome", "status"), [
    ({"test_some.py": "import no_such_module"}, "collection_error", 2),
    ({"test_some.py": "def f(:"}, "collection_error", 2),
    ({}, "no_tests", 5),
    ({"test_some.py": PASSES + "\n    def test_end(self):\n        import os; os._exit(0)\n"}, "failed", 0),
])
def test_unittest_in_other_ways(endpoint, project, files, outcome, status):
    output = run_tester(endpoint, {"project": project(files), "runner": "unittest"})
    assert (output["outcome"], output["exit_code"], output["success"]) == (outcome, status, False), output


def test_a_project_has_its_time(endpoint, project, none_left):
    slow = "import time, unittest\nclass Slow(unittest.TestCase):\n    def test(self): time.sleep(60)\n"
    output = run_tester(endpoint, {"project": project({"test_slow.py": slow}), "runner": "unittest"}, options={"project_timeout_ms": 1500})
    assert output["outcome"] == "failed" and "longer than 1.5 seconds" in output["error"]


@pytest.mark.parametrize("compression", ["", "gz"])
def test_an_archive(endpoint, project, tmp_path, compression):
    path = tmp_path / "archive"
    with tarfile.open(path, f"w:{compression}") as archive:
        archive.add(project({"test_some.py": PASSES}), arcname=".")
    assert run_tester(endpoint, {"project": str(path), "runner": "unittest"})["outcome"] == "passed"


def test_what_is_left_out(endpoint, project):
    code = "import os, unittest\nclass Some(unittest.TestCase):\n    def test(self):\n        self.assertEqual(sorted(set(os.listdir('.')) - {{'__pycache__'}}), {!r})\n"
    root = project({"test_some.py": code.format(["link", "package", "test_some.py"]), ".git/config": "", ".venv/x": "", "node_modules/y": ""})
    os.symlink("package/module.py", f"{root}/link")
    os.symlink("/etc/passwd", f"{root}/outside")
    output = run_tester(endpoint, {"project": root, "runner": "unittest"})
    assert output["outcome"] == "passed", output["output"]
    assert output["left_out"] == ["outside"]


def test_no_project(endpoint, tmp_path):
    assert run(endpoint, {"project": str(tmp_path / "nothing")}, kind="tester").error()["code"] == "not_found"
    (tmp_path / "text").write_text("no archive")
    assert run(endpoint, {"project": str(tmp_path / "text")}, kind="tester").error()["code"] == "invalid_argument"


# For pip and pytest: whom this machine trusts, since package registries may be behind a mirror with an authority of its own.
TRUSTING = {"sandbox": {"envs": ["PIP_CERT=/home/user/project/authorities.crt"]}}
WITH_AUTHORITIES = {"authorities.crt": AUTHORITIES.read_text(encoding="utf-8")}


def test_pytest(endpoint, project, none_left):
    """With packages that the project asks for; pytest and coverage are in the template."""
    test = "import inflection\nfrom package.module import value\ndef test_value():\n    assert value == 7\n"
    root = project({**WITH_AUTHORITIES, "test_some.py": test, "reqs/dev.txt": "inflection>=0.5\n"})
    output = run_tester(endpoint, {"project": root, "args": ["-q"], "coverage": True, "requirements": "reqs/dev.txt"}, **TRUSTING)
    assert (output["outcome"], output["tests_passed"], output["exit_code"]) == ("passed", 1, 0), output
    assert 0 < output["coverage_percent"] <= 100
    assert cases(output["junit_xml"]) == {"test_value": None}


@pytest.mark.parametrize(("files", "args", "outcome", "status", "counts"), [
    ({"test_a.py": "import pytest\ndef test_a(): assert 1 == 2\ndef test_b(): pass\n@pytest.fixture\ndef bad(): 1/0\ndef test_c(bad): pass\n"},
     [], "failed", 1, (1, 1, 1)),
    ({"test_a.py": "import no_such_module"}, [], "collection_error", 2, (0, 0, 1)),
    ({"test_a.py": "def test_a(): pass"}, ["--no-such-option"], "collection_error", 4, (0, 0, 0)),
    ({"test_a.py": "x = 1"}, [], "no_tests", 5, (0, 0, 0)),
    ({"test_a.py": "import os\ndef test_a(): os.kill(os.getpid(), 9)"}, [], "failed", 137, (0, 0, 0)),
])
def test_pytest_s_statuses(endpoint, project, files, args, outcome, status, counts):
    output = run_tester(endpoint, {"project": project({**WITH_AUTHORITIES, **files}), "runner": "pytest", "args": args}, **TRUSTING)
    assert (output["outcome"], output["exit_code"], output["success"]) == (outcome, status, False), output
    assert (output["tests_passed"], output["tests_failed"], output["tests_errored"]) == counts


def test_packages_that_cannot_be_had_are_infrastructure(endpoint, project):
    output = run_tester(endpoint, {"project": project({"test_a.py": "def test_a(): pass"}), "install": ["inflection"]}, sandbox={"no_internet": True, "envs": ["PIP_RETRIES=0"]})
    assert (output["outcome"], output["success"]) == ("infrastructure_error", False)
    assert "pip" in output["error"]
