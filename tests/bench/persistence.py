"""Pause and resume at each level, snapshots and forks, of sandboxes of different sizes."""

import json
import time

import wire

# What runs in the sandbox; then a command that proves, after each resume, that it answers.
KINDS = {
    "bare": None,
    "python": "import numpy, IPython, random; data = list(range(1000))",
    "pandas": "import pandas as pd; frame = pd.DataFrame({'x': range(100000)}); frame.describe(); data = list(range(1000))",
    "large": "import os; block = os.urandom(1 << 20); data = bytearray(block * 512)",
}
MEMORY_BYTES = 2 << 30
FORKS = (1, 10, 100)


def _timed(series, name, call):
    started = time.perf_counter()
    value = call()
    series.setdefault(name, []).append(int((time.perf_counter() - started) * 1e6))
    return value


class Subject:
    """A sandbox of a kind over raw HTTP."""

    def __init__(self, control, template, kind):
        self.control = control
        self.kind = kind
        limits = {"limits": {"memoryBytes": MEMORY_BYTES}} if kind == "large" else {}
        self.info = control.request("POST", "/sandboxes", {"templateID": template, "timeout": 3600, **limits})
        self.id = self.info["sandboxID"]
        self.api = wire.Wire(control.api_port)
        self.ingress = wire.Wire(control.ingress_port)
        self.sandbox = wire.Sandbox.known(self.api, self.ingress, control.key, self.info)
        if kind == "python":
            self.sandbox.start("/bin/bash", ["-c", f"nohup /usr/bin/python3 -c '{KINDS[kind]}; import time; time.sleep(1e6)' >/dev/null 2>&1 &"])
            time.sleep(3)
        elif KINDS[kind]:
            self.cell(KINDS[kind])

    def cell(self, code):
        answer = self.sandbox.run_code(code)
        if b'"error"' in answer:
            raise ConnectionError(answer[-300:])

    def answers(self):
        """The first answer of what was paused: of the agent, or of the interpreter."""
        if self.kind in ("pandas", "large"):
            self.cell("len(data)")
        else:
            self.sandbox.health()

    def pause(self, level):
        self.control.request("POST", f"/sandboxes/{self.id}/pause", {"level": level})

    def resume(self):
        self.control.request("POST", f"/sandboxes/{self.id}/connect", {"timeout": 3600})

    def bytes(self):
        return self.control.request("GET", f"/sandboxes/{self.id}")["pause"]["bytes"]

    def close(self):
        self.control.request("DELETE", f"/sandboxes/{self.id}")
        self.api.close()
        self.ingress.close()


def _rounds(subject, series, rounds):
    kind, sizes = subject.kind, []
    for level in ("frozen", "hibernated"):
        for _ in range(rounds):
            _timed(series, f"{kind}_pause_{level}", lambda: subject.pause(level))  # noqa: B023 (called at once)
            if level == "hibernated":
                sizes.append(subject.bytes())

            def wake():
                subject.resume()
                series.setdefault(f"{kind}_resume_{level}", []).append(int((time.perf_counter() - began) * 1e6))  # noqa: B023
                subject.answers()

            began = time.perf_counter()
            wake()
            series.setdefault(f"{kind}_answer_{level}", []).append(int((time.perf_counter() - began) * 1e6))
    return sorted(sizes)[len(sizes) // 2]


def _snapshots(subject, series, rounds):
    for _ in range(rounds):
        made = _timed(series, f"{subject.kind}_snapshot",
                      lambda: subject.control.request("POST", f"/sandboxes/{subject.id}/snapshots", {}))
        series.setdefault(f"{subject.kind}_stands_still", []).append(made["frozenUs"])
        subject.control.request("DELETE", "/templates/" + made["snapshotID"].replace(":", "%3A").replace("/", "%2F"))


def _forks(subject, series, counts, rounds):
    for count in counts:
        for _ in range(rounds if count < 100 else 1):
            made = _timed(series, f"{subject.kind}_fork_{count}", lambda: subject.control.request(  # noqa: B023 (called at once)
                "POST", f"/sandboxes/{subject.id}/fork", {"count": count, "timeout": 600}))  # noqa: B023
            failed = [one["error"] for one in made if "error" in one]
            if failed:
                raise ConnectionError(f"{len(failed)} of {count} forks failed: {json.dumps(failed[0])}")
            for one in made:
                subject.control.request("DELETE", f"/sandboxes/{one['sandbox']['sandboxID']}")


def measure(control, template, rounds, quick):
    """-> ({series: microseconds}, {kind: bytes on the disk})"""
    series, sizes = {}, {}
    for kind in KINDS:
        subject = Subject(control, template, kind)
        few = max(3, rounds // 4) if kind == "large" else rounds
        sizes[kind] = _rounds(subject, series, few)
        _snapshots(subject, series, few)
        if kind in ("bare", "python"):
            _forks(subject, series, FORKS[:2] if quick else FORKS, 3)
        subject.close()
    return series, sizes
