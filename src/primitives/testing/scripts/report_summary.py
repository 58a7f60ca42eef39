"""python3 report_summary.py REPORT COVERAGE: one JSON object that says what a report in JUnit's XML tells. Either file may be missing."""

import json
import sys
from xml.etree import ElementTree

MAX_CASES = 10000
MAX_TEXT = 300
KINDS = {"failure": "failed", "error": "error", "skipped": "skipped"}


def case(element):
    told = next((child for child in element if child.tag in KINDS), None)
    name = "::".join(part for part in (element.get("classname"), element.get("name")) if part)
    text = (told.get("message") or told.text or "") if told is not None else None
    return {
        "test": name[:MAX_TEXT],
        "outcome": "passed" if told is None else KINDS[told.tag],
        "error": text[:MAX_TEXT] if text is not None else None,
        "duration_ms": float(element.get("time") or 0) * 1e3,
    }


def main():
    summary = {"report": None, "coverage_percent": None}
    try:
        # A test that fails in its body and again when it is torn down has two cases.
        cases = [case(element) for element in ElementTree.parse(sys.argv[1]).iter("testcase")]
        counts = {outcome: sum(one["outcome"] == outcome for one in cases) for outcome in ("passed", "failed", "error", "skipped")}
        summary["report"] = {"counts": counts, "cases": cases[:MAX_CASES]}
    except (OSError, ElementTree.ParseError, ValueError):
        pass
    try:
        with open(sys.argv[2], encoding="utf-8") as file:
            summary["coverage_percent"] = float(json.load(file)["totals"]["percent_covered"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    json.dump(summary, sys.stdout)


if __name__ == "__main__":
    main()
