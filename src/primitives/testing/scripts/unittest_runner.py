"""python3 unittest_runner.py REPORT [ARGUMENTS]: `python3 -m unittest ARGUMENTS`, and what came of it as JUnit XML in REPORT.

Ends with pytest's statuses: 0 passed, 1 failed, 2 a module could not be loaded, 5 no tests.
"""

import os
import re
import sys
import time
import unittest
from xml.etree import ElementTree

NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text):
    return NO_XML.sub("\ufffd", text)


class Result(unittest.TextTestResult):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.suite = ElementTree.Element("testsuite", name="unittest")
        self.began = time.monotonic()
        self.broken = 0

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def _case(self, test, kind=None, text=""):
        group, _, name = test.id().rpartition(".")
        seconds = f"{time.monotonic() - self.began:.6f}"
        case = ElementTree.SubElement(self.suite, "testcase", classname=clean(group), name=clean(name), time=seconds)
        if kind:
            lines = text.strip().splitlines() or [""]
            ElementTree.SubElement(case, kind, message=clean(lines[-1])).text = clean(text)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._case(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._case(test, "failure", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.broken += type(test).__module__ == "unittest.loader"
        self._case(test, "error", self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._case(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._case(test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._case(test, "failure", "it was expected to fail, and has not")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self._case(subtest, "failure" if failed else "error", (self.failures if failed else self.errors)[-1][1])


def write(path, suite):
    count = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error", "skipped")}
    suite.attrib.update(tests=str(len(suite)), failures=str(count["failure"]), errors=str(count["error"]), skipped=str(count["skipped"]))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def main():
    report, arguments = sys.argv[1], sys.argv[2:]
    sys.path[0] = os.getcwd()
    runner = unittest.TextTestRunner(resultclass=Result, stream=sys.stdout)
    result = unittest.main(module=None, argv=["python3 -m unittest", *arguments], testRunner=runner, exit=False).result
    write(report, result.suite)
    if result.broken:
        return 2
    if not result.testsRun and not result.skipped:
        return 5
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
