"""What an idle sandbox costs: the agent's PSS, what server, engine and nest grow by, and what the kernel keeps."""
import pathlib
import time

SETTLE_S = 1.5
# What other programs do to the kernel's memory meanwhile is noise: the median of an odd number of rounds.
ROUNDS = 5
# In use by the kernel itself; the page cache is not among them.
KERNEL_FIELDS = ("Slab", "KernelStack", "PageTables", "Percpu")


def _meminfo():
    lines = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def _pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _parents():
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # it ended meanwhile
    return parents


def _descendants(pid, parents):
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        found.append(at)
        todo += [child for child, parent in parents.items() if parent == at]
    return found


def _agents(ids, pids):
    """Processes that are in a control group named after one of the sandboxes."""
    wanted, found = set(ids), []
    for pid in pids:
        try:
            groups = pathlib.Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii")
        except OSError:
            continue
        if any(part in wanted for line in groups.splitlines() for part in line.split("/")):
            found.append(pid)
    return found


def _hosts_kib(control, agents, parents):
    """PSS of server, engine and nests: the server's descendants, parents of agents, and no agents."""
    pids = set(_descendants(control.server_pid(), parents)) | {parents[pid] for pid in agents if pid in parents}
    return sum(_pss_kib(pid) for pid in pids - set(agents) if pid > 1)


def _state(control, ids):
    time.sleep(SETTLE_S)
    parents = _parents()
    agents = _agents(ids, parents)
    return {
        "meminfo": _meminfo(),
        "agents": len(agents),
        "agents_kib": sum(_pss_kib(pid) for pid in agents),
        "hosts_kib": _hosts_kib(control, agents, parents),
    }


def _row(before, now, count):
    kernel = {k: (now["meminfo"][k] - before["meminfo"][k]) / count for k in KERNEL_FIELDS}
    row = {
        "n": count,
        "agents_found": now["agents"] - before["agents"],
        "agent_kib": (now["agents_kib"] - before["agents_kib"]) / count,
        "hosts_kib": (now["hosts_kib"] - before["hosts_kib"]) / count,
        "kernel_kib": sum(kernel.values()),
        "kernel_fields_kib": kernel,
        "available_kib": (before["meminfo"]["MemAvailable"] - now["meminfo"]["MemAvailable"]) / count,
    }
    row["total_kib"] = row["agent_kib"] + row["hosts_kib"] + row["kernel_kib"]
    return row


def _round(control, template, first, count):
    before, ids = _state(control, [first]), []
    try:
        while len(ids) < count:
            ids.append(control.create(template))
        return _row(before, _state(control, [first, *ids]), count)
    finally:
        for sandbox_id in ids:
            control.kill(sandbox_id)


def measure(control, template, counts):
    """Per count the round whose sum is the median, per sandbox, with the least and the largest sum of all rounds.
    One sandbox more lives all the time, so that what is made once per template does not count."""
    first = control.create(template)
    try:
        rows = []
        for count in counts:
            rounds = sorted((_round(control, template, first, count) for _ in range(ROUNDS)), key=lambda row: row["total_kib"])
            rows.append({**rounds[len(rounds) // 2], "total_min_kib": rounds[0]["total_kib"],
                         "total_max_kib": rounds[-1]["total_kib"]})
        return rows
    finally:
        control.kill(first)
