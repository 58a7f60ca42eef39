"""What an idle sandbox costs: the agent's PSS, what server, engine and nest grow by, and what the kernel keeps."""
import pathlib
import time

SETTLE_S = 2.0
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


def measure(control, template, counts):
    """[{n, agent_kib, hosts_kib, kernel_kib, total_kib, available_kib}], each per sandbox. One sandbox more exists
    before, so that what is made once per template does not count."""
    first = control.create(template)
    ids, rows = [], []
    try:
        before = _state(control, [first])
        for count in counts:
            while len(ids) < count:
                ids.append(control.create(template))
            now = _state(control, [first, *ids])
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
            rows.append(row)
    finally:
        for sandbox_id in [first, *ids]:
            control.kill(sandbox_id)
    return rows
