"""Percentiles and tables."""
import datetime
import math
import os
import pathlib
import platform

# (series, what it is, target p50 in ms, target p95 in ms); targets are docs/benchmarks.md's.
ROWS = (
    ("create", "create: POST /sandboxes until 201", 2, 4),
    ("create_first_output", "create and `echo`: until its first byte", 4, 8),
    ("create_true", "create and `/bin/true`: until its end", 4, 8),
    ("exec_true", "`/bin/true` in a live sandbox", 2, 4),
    ("exec_true_first", "the first `/bin/true` of a sandbox", None, None),
    ("kill", "kill: DELETE until 204, all processes gone", None, None),
)
BURST_ROWS = (
    ("creates_at_once", "{n} creates at once: until the last 201", 200, None),
    ("create_in_burst", "each of {n} creates at once", None, None),
    ("kills_at_once", "{n} kills at once: until the last 204", None, None),
)
# Through clients over TCP: (series, what it is, targets as above).
CLIENT_ROWS = tuple(
    (f"{prefix}_{name}", f"{text}, {client}", p50, p95)
    for name, text, p50, p95 in (("create", "create", 2, 4), ("create_true", "create and `true`", 4, 8), ("true", "`true` in a live sandbox", 2, 4))
    for prefix, client in (("raw", "raw HTTP over TCP"), ("python", "Python SDK"), ("js", "JavaScript SDK"))
)
CLIENT_ROWS += (("raw_login", "`bash -l -c true`, as the SDKs start every command, raw HTTP over TCP", None, None),)
# The interpreter: targets as above.
INTERPRETER_ROWS = tuple(
    (f"{client}{kind}_{name}", f"{text}, {how}{by}", *targets)
    for name, text, on_demand, pooled in (
        ("create_cell", "create and the first `1+1`", (10, 20), (4, 8)),
        ("create_plot", "create and a first cell with pandas and a plot", (None, None), (None, None)),
        ("cell", "`1+1` in a live context", (1.5, 3), (1.5, 3)),
    )
    for kind, how, targets in (("demand", "on demand", on_demand), ("blank", "from a blank", pooled))
    for client, by in (("", ", raw HTTP over TCP"), ("sdk_", ", Python SDK"))
) + (
    ("python_in_sandbox", "`python3 -c 'print(1+1)'` in a live sandbox, raw HTTP over TCP", None, None),
    ("python_on_host", "`python3 -c 'print(1+1)'` on the host", None, None),
    ("jupyter", "a Jupyter kernel on the host: start until `1+1` has run", None, None),
)
# Through libwarren's primitives, over the Unix socket; no targets of their own.
PRIMITIVE_ROWS = (
    ("primitive_none", "`print(1)` in a live context by `wr_code_run()`"),
    ("primitive_session", "the same by an executor in session mode"),
    ("primitive_wrapped", "the same with circuit breaker, timeout and retry around it"),
    ("primitive_cached", "the same out of the cache in memory"),
    ("primitive_pooled", "`print(1)` by an executor with a pool of 10"),
    ("primitive_ephemeral", "`print(1)` by an executor with a new sandbox each time"),
)
# Pausing: what is in the sandbox, with the target of a pause to the disk and of the resume from it.
PERSISTENCE_KINDS = (
    ("bare", "a bare sandbox", None, None),
    ("python", "a Python with numpy and IPython", 70, 50),
    ("pandas", "a context with pandas", 110, 100),
    ("large", "a context with 512 MiB of random bytes", None, None),
)
PERSISTENCE_ROWS = tuple(
    (f"{kind}_{name}", f"{text}: {what}", target, None)
    for kind, what, pause, resume in PERSISTENCE_KINDS
    for name, text, target in (
        ("pause_frozen", "freeze", None), ("resume_frozen", "thaw", 1), ("answer_frozen", "thaw until it answers", None),
        ("pause_hibernated", "pause to the disk", pause), ("resume_hibernated", "resume from the disk", resume),
        ("answer_hibernated", "resume from the disk until it answers", None), ("snapshot", "snapshot", None),
        ("stands_still", "of that, the sandbox stands still", None), ("fork_1", "fork", None), ("fork_10", "10 forks at once", None),
        ("fork_100", "100 forks at once", None))
)
TRANSFER_TARGET_GBS = 1.0
MEMORY_TARGET_MB = 0.7


def percentile(values, q):
    """Nearest rank: a value that was measured."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def summary(values_us):
    result = {name: percentile(values_us, q) / 1000 for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return {"n": len(values_us), "min": min(values_us) / 1000, **result}


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "unknown CPU")
    memory = next(line for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if "MemTotal" in line)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.split()[1]) / 1024 / 1024, 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def _target(p50, p95):
    if p50 is None:
        return ""
    return f"{p50} ({p95})" if p95 else str(p50)


def _latency_rows(result):
    count = result["burst_count"]
    for key, text, p50, p95 in ROWS:
        if key in result["series"]:
            yield text, result["series"][key], _target(p50, p95)
    for key, text, p50, p95 in BURST_ROWS:
        if key in result["series"]:
            yield text.format(n=count), result["series"][key], _target(p50, p95)
    for key, text, p50, p95 in CLIENT_ROWS:
        if key in result["series"]:
            yield text, result["series"][key], _target(p50, p95)
    for key, text, p50, p95 in INTERPRETER_ROWS:
        if key in result["series"]:
            yield text, result["series"][key], _target(p50, p95)
    for key, text in PRIMITIVE_ROWS:
        if key in result["series"]:
            yield text, result["series"][key], ""
    for key, text, p50, p95 in PERSISTENCE_ROWS:
        if key in result["series"]:
            yield text, result["series"][key], _target(p50, p95)
    for name in result["baselines"]:
        text = name if name.startswith("fork") else f"{name}: start to exit of `/bin/true`"
        yield text, result["series"][name], ""


def _network_tables(ways):
    """For each direction of connections: time for one, what of it is added, and bytes in both directions of an open one."""
    def rate(values):
        return f"{percentile(values, 0.5) / 1e9:.2f}" if values else "fails"

    for direction in dict.fromkeys(way["direction"] for way in ways):
        rows, direct = [], None
        for way in (way for way in ways if way["direction"] == direction):
            p50, p95 = percentile(way["us"], 0.5), percentile(way["us"], 0.95)
            direct = direct or p50
            rows.append([way["name"], str(len(way["us"])), f"{p50 / 1000:.3f}", f"{p95 / 1000:.3f}", f"{(p50 - direct) / 1000:.3f}",
                         rate(way["up"]), rate(way["down"])])
        yield (f"Connections {direction}: connect and one byte there and back in ms, transfer in GB/s",
               ["by", "n", "p50", "p95", "added to direct (p50)", "from the client", "to the client"], rows)


def _cells(result):
    """All tables as (title, header, rows of text)."""
    rows = [[text, str(s["n"]), *(f"{s[k]:.2f}" for k in ("min", "p50", "p95", "p99")), target]
            for text, s, target in _latency_rows(result)]
    rows += [[f"{name}: start to exit of `/bin/true`", "", "", "", "", "", f"cannot run here: {why}"]
             for name, why in result["refused"].items()]
    if rows:
        yield "Time in ms", ["what", "n", "min", "p50", "p95", "p99", "target p50 (p95)"], rows
    rows = [[row["what"], str(row["connections"]), f"{row['rps']:.0f}", *(f"{row[k] / 1000:.3f}" for k in ("p50_us", "p95_us", "p99_us"))]
            for row in result["proxies"]]
    if rows:
        yield ("Requests with an answer of 5 bytes, latency in ms",
               ["what", "connections", "requests per second", "p50", "p95", "p99"], rows)
    rows = [[f"{name} of 1 GiB", str(len(values)), *(f"{value / 1e9:.2f}" for value in (min(values), percentile(values, 0.5), max(values))),
             str(TRANSFER_TARGET_GBS)] for name, values in result["transfer"].items()]
    if rows:
        yield "Transfer in GB/s", ["what", "n", "least", "median", "most", "target"], rows
    rows = [[what, f"{result['saved'][kind] / 1e6:.1f}"] for kind, what, *_ in PERSISTENCE_KINDS if kind in result["saved"]]
    if rows:
        yield "On the disk of a hibernated sandbox in MB, without its files", ["what", "image"], rows
    yield from _network_tables(result["network"])
    rows = [[str(m["n"]), *(f"{m[k]:.0f}" for k in ("pss_kib", "private_kib", "available_kib", "per_s"))] for m in result["contexts"]]
    if rows:
        yield ("Contexts of the interpreter, ten in a sandbox, memory of each in KiB",
               ["contexts", "PSS", "private", "loss of MemAvailable", "started per second, one after the other"], rows)
    columns = ("agent_kib", "hosts_kib", "kernel_kib", "total_kib", "total_min_kib", "total_max_kib", "available_kib")
    rows = [[str(m["n"]), *(f"{m[k]:.0f}" for k in columns), f"{MEMORY_TARGET_MB} MB"] for m in result["memory"]]
    if rows:
        yield ("Memory per idle sandbox in KiB",
               ["sandboxes", "PSS of the agent", "growth of server, engine, nest", "kernel", "sum", "least", "largest",
                "loss of MemAvailable", "target of the sum"],
               rows)


def _aligned(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    # A long reason in the last column needs no room in the others' lines.
    widths[-1] = len(header[-1])
    return ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in [header, *rows]]


def text_lines(result):
    m = result["machine"]
    yield f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['date']}, load before {m['load_before']:.2f}"
    for title, header, rows in _cells(result):
        yield ""
        yield title
        yield from _aligned(header, rows)


def markdown_lines(result):
    m = result["machine"]
    yield (f"Machine: {m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB of memory, Linux {m['kernel']}, {m['date']}; "
           f"load average before the run {m['load_before']:.2f}. Command: `{result['command']}`.")
    for title, header, rows in _cells(result):
        yield ""
        yield f"{title}:"
        yield ""
        yield "| " + " | ".join(header) + " |"
        yield "|---" * len(header) + "|"
        for row in rows:
            yield "| " + " | ".join(row) + " |"
