"""Compares h1_echo with h11 on generated messages, in both directions, and prints TAP.

usage: differential.py H1_ECHO [--seed N] [--count N]

Two parsers that read the same bytes differently are how requests are smuggled. Where both accept, what they read must be the
same. Where only h11 accepts, Warren must have a reason of the table STRICTER that the bytes confirm. Where only Warren accepts,
the difference must be in LAXER.
"""

import argparse
import base64
import collections
import json
import random
import re
import struct
import subprocess
import sys

try:
    import h11  # noqa: F401
except ImportError:
    print("1..0 # SKIP python3-h11 is not installed (tools/install-deps test)")
    sys.exit(0)

from grammar import Maker
import second_parser

MAX_SHOWN = 10
MAX_EXTENSION = 40

# Warren's reason (a pattern) and what the rest of the input must then hold, besides what h11 accepts by its documentation: bare LF
# as the end of a line, folded fields, control bytes in values, lists of equal lengths, versions and targets of any form.
STRICTER = {
    r"CR LF was expected": rb"[^\r]\n|\r[^\n]|[\x00-\x08\x0a-\x1f\x7f]",
    r"a field line starts with a blank": rb"\n[ \t]",
    r"field name is not a token": rb"\n\n|\n[ \t\r]*\n?|[\x00-\x1f]",
    r"a blank was expected after the status": rb"^HTTP/1\.[01] [0-9]{3}\n",
    r"the method is too long": rb"^[^ ]{17}",
    r"CONNECT is not supported": rb"(?i)^connect ",
    r"target \"\*\" is for OPTIONS only": rb"^\S+ \* ",
    r"neither a path nor an http URL": rb"^\S+ [^/* ]",
    r"a byte in the target": rb"^\S+ \S*[#\x80-\xff]",
    r"bad HTTP version|only HTTP/1.0 and HTTP/1.1": rb"HTTP/(?!1\.[01]\r?\n)",
    r"Content-Length more than once": rb"(?i)\ncontent-length:(.|\n)*\ncontent-length:",
    r"Content-Length is not a decimal": rb"(?i)\ncontent-length:[^\n]*,",
    r"Content-Length is too large": rb"(?i)\ncontent-length:\s*[0-9]{19}",
    r"Content-Length together with": rb"(?i)\ncontent-length:(.|\n)*\ntransfer-encoding:|\ntransfer-encoding:(.|\n)*\ncontent-length:",
    r"Transfer-Encoding in HTTP/1.0": rb"HTTP/1\.0",
    r"Host is not a host name": rb"(?i)\nhost:[^\r\n]*[^\r\n!#-.0-;=A-Z\[\]^-z|~]",
    r"Host differs from the target": rb"(?i)^\S+ https?://",
    r"Expect is not": rb"(?i)\nexpect:\s*(?!100-continue\r?\n)",
    r"too many options in Connection": rb"(?i)\nconnection:[^,\n]*(,[^,\n]*){25}",
    r"a chunk line is too long": rb"\n[0-9a-fA-F]+;[^\n]{%d}" % MAX_EXTENSION,
    r"control byte in a chunk extension": rb";[^\n]*[\x00-\x08\x0b-\x1f\x7f]",
    r"chunk size is not a hexadecimal": rb"(?m)^[0-9a-fA-F]+[ \t]",
    r"a trailer line is not a field": rb"[^\r]\n|\n\n|\n[ \t]",
    r"control byte in a trailer": rb"[\x01-\x08\x0b-\x1f\x7f]",
}
# h11's reason and why Warren accepts.
LAXER = {}


class Difference(Exception):
    pass


def decode(message):
    """An object of h1_echo with bytes instead of base64."""
    for key in ("method", "target", "reason", "body"):
        if key in message:
            message[key] = base64.b64decode(message[key])
    if "fields" in message:
        message["fields"] = [(base64.b64decode(name), base64.b64decode(value)) for name, value in message["fields"]]
    return message


def as_h11_has_them(fields):
    """Names in small letters, and the two fields that h11 writes anew."""
    return [(name.lower(), value.lower() if name.lower() == b"transfer-encoding" else value) for name, value in fields]


def compare_heads(ours, other):
    for key in ("method", "target", "minor", "status", "reason", "expect"):
        if key in other and other[key] != ours[key]:
            raise Difference(f"{key}: {ours[key]!r}, h11 has {other[key]!r}")
    if as_h11_has_them(ours["fields"]) != other["fields"]:
        raise Difference(f"fields: {ours['fields']!r}, h11 has {other['fields']!r}")
    # h11 never keeps a connection of HTTP/1.0; Warren does when it is asked to.
    if "keep_alive" in other and ours["minor"] == 1 and ours["keep_alive"] != other["keep_alive"]:
        raise Difference(f"keep_alive: {ours['keep_alive']}, h11 has {other['keep_alive']}")


class Comparison:
    def __init__(self):
        self.seen = collections.Counter()
        self.used = set()

    def stricter(self, ours, data):
        for pattern, evidence in STRICTER.items():
            if re.search(pattern, ours["why"]):
                self.used.add(pattern)
                if not re.search(evidence, data):
                    raise Difference(f"refused without evidence: {ours['why']}")
                return
        raise Difference(f"h11 accepts what is refused: {ours['why']}")

    def laxer(self, other):
        for pattern in LAXER:
            if re.search(pattern, other["why"]):
                self.used.add(pattern)
                return
        raise Difference(f"h11 refuses what is accepted: {other['why']}")

    def message(self, ours, other, data):
        """True when both go on behind it."""
        verdict = ours["outcome"], other["outcome"]
        self.seen[verdict] += 1
        if "fields" in ours and "fields" in other:
            compare_heads(ours, other)
        if verdict[0] == "refused" and verdict[1] == "complete":
            self.stricter(ours, data)
        elif verdict[1] == "refused" and verdict[0] != "refused":
            self.laxer(other)
        elif verdict[0] == verdict[1] and verdict[0] != "refused":
            if ours.get("body") != other.get("body"):
                raise Difference(f"body: {ours.get('body')!r}, h11 has {other.get('body')!r}")
        elif "refused" not in verdict:
            raise Difference(f"one is {verdict[0]}, h11's is {verdict[1]}")
        return verdict == ("complete", "complete") and ours.get("status") != 101

    def case(self, kind, data, ours):
        others = second_parser.read(kind, data)
        messages = ours["messages"]
        for i, (mine, other) in enumerate(zip(messages, others)):
            if not self.message(mine, other, data[other["start"] :]):
                return
        if len(messages) != len(others):
            raise Difference(f"{len(messages)} messages, h11 has {len(others)}")


def run_echo(program, cases):
    """cases: (kind, piece, data) -> one object each."""
    stdin = b"".join(kind.encode() + struct.pack("<II", piece, len(data)) + data for kind, piece, data in cases)
    done = subprocess.run([program], input=stdin, stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases), f"{len(cases)} cases, {len(answers)} answers"
    for answer in answers:
        answer["messages"] = [decode(message) for message in answer["messages"]]
    return answers


def direction(program, kinds, seed, count, comparison):
    rng = random.Random(f"{seed} {kinds}")
    maker = Maker(rng)
    cases = []
    for _ in range(count):
        kind = rng.choice(kinds)
        cases.append((kind, rng.choice([1, 2, 7, 1000, 1 << 20]), maker.stream("q" if kind == "q" else "r")))
    failures = []
    for i, ((kind, piece, data), answer) in enumerate(zip(cases, run_echo(program, cases))):
        try:
            comparison.case(kind, data, answer)
        except Difference as difference:
            failures.append(f"case {i}, kind {kind}, pieces of {piece}: {difference}\n  {data!r}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=9112)
    parser.add_argument("--count", type=int, default=4000, help="cases per direction")
    args = parser.parse_args()
    comparison = Comparison()
    results = []
    for name, kinds in (("requests", ["q"]), ("responses", ["r", "r", "h"])):
        before = comparison.seen["complete", "complete"]
        failures = direction(args.program, kinds, args.seed, args.count, comparison)
        results.append((f"{name}: {args.count} cases are read as h11 reads them", failures))
        both = comparison.seen["complete", "complete"] - before
        results.append((f"{name}: both parsers accept {both} of them", [] if both > args.count / 4 else ["fewer than a quarter"]))
    unused = sorted({*STRICTER, *LAXER} - comparison.used)
    results.append(("each documented difference occurs", unused))
    print(f"1..{len(results)}")
    for i, (name, failures) in enumerate(results, 1):
        print(f"{'not ok' if failures else 'ok'} {i} - {name}")
        for line in failures[:MAX_SHOWN]:
            print("\n".join(f"# {part}" for part in line.splitlines()))
        if len(failures) > MAX_SHOWN:
            print(f"# and {len(failures) - MAX_SHOWN} more")
    print("# " + ", ".join(f"{ours}/{other}: {n}" for (ours, other), n in sorted(comparison.seen.items())))
    return 1 if any(failures for _, failures in results) else 0


if __name__ == "__main__":
    sys.exit(main())
