"""Contexts of the interpreter: what one costs in memory, and how many start in a second."""
import pathlib
import re
import time

import wire

PER_SANDBOX = 10
SETTLE_S = 1.5


def _field(text, name):
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1])


def _runners(ids):
    """PSS and private KiB of the Python processes in the control groups of these sandboxes."""
    found = []
    wanted = set(ids)
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            groups = (entry / "cgroup").read_text(encoding="ascii")
            if not any(part in wanted for line in groups.splitlines() for part in line.split("/")):
                continue
            if not (entry / "comm").read_text(encoding="ascii").startswith("python"):
                continue
            memory = (entry / "smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue  # it ended meanwhile
        found.append((_field(memory, "Pss"), _field(memory, "Private_Clean") + _field(memory, "Private_Dirty")))
    return found


def _available_kib():
    return _field(pathlib.Path("/proc/meminfo").read_text(encoding="ascii"), "MemAvailable")


def measure(control, template, counts):
    """Contexts, each with one cell run, ten in a sandbox -> one row per count. The rate counts from the request for a context to
    the end of its first cell, one after the other."""
    api, ingress = wire.Wire(control.api_port), wire.Wire(control.ingress_port)
    sandboxes, made, rows = [], 0, []
    first = wire.Sandbox(api, ingress, control.key, template)
    first.run_code("1+1")
    time.sleep(SETTLE_S)
    before = _available_kib()
    try:
        for count in counts:
            busy, earlier = 0.0, made
            while made < count:
                if made % PER_SANDBOX == 0:
                    sandboxes.append(wire.Sandbox(api, ingress, control.key, template))
                started = time.perf_counter()
                context = sandboxes[-1].new_context()
                if b'"text":"2"' not in (answer := sandboxes[-1].run_code("1+1", context)):
                    raise ConnectionError(f"a cell answered {answer[-300:]!r}")
                busy += time.perf_counter() - started
                made += 1
            time.sleep(SETTLE_S)
            runners = _runners([sandbox.id for sandbox in sandboxes])
            if len(runners) != count:
                raise ConnectionError(f"{len(runners)} processes for {count} contexts")
            rows.append({
                "n": count,
                "pss_kib": sum(pss for pss, _ in runners) / count,
                "private_kib": sum(private for _, private in runners) / count,
                "available_kib": (before - _available_kib()) / count,
                "per_s": (made - earlier) / busy if busy else 0,
            })
        return rows
    finally:
        for sandbox in [first, *sandboxes]:
            sandbox.kill()
        api.close()
        ingress.close()
