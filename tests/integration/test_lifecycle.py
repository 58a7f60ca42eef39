"""Nothing stays behind: not after a kill, not after a deadline, not after a crash of any part at any moment."""

import os
import random
import signal
import threading
import time

import pytest

import warren

BUSY = """
(trap '' TERM HUP; setsid sleep 1000 &) ; (setsid bash -c 'while :; do sleep 0.01; done' &)
sudo -n bash -c 'setsid sleep 1000 & mkdir -p /opt/deep/er && echo x > /opt/deep/er/file' ; python3 -m http.server 9000 > /dev/null 2>&1 &
ipcmk -M 65536 > /dev/null; mkfifo /tmp/fifo; dd if=/dev/zero of=/dev/shm/x bs=1M count=4 2> /dev/null; sleep 0.2
"""


def make_busy(sandbox):
    sandbox.start(f"exec > /dev/null 2>&1; {BUSY}").finish()
    return set(sandbox.namespaces().values())


def restart(server):
    """A new server, so that the keeper's count of crashes starts anew."""
    server.terminate()
    server.host.wait_engine_gone()
    server.start()


@pytest.fixture
def restarted(server):
    """For tests that kill parts of Warren: before and after there is a healthy server."""
    if server.process.poll() is not None or not server.healthy():
        server.start()
    yield server
    if server.process.poll() is not None:
        server.start()
    for entry in server.list():
        server.request("DELETE", f"/sandboxes/{entry['sandboxID']}", expect=(204, 404))
    restart(server)


def crash_engine(server):
    """kill -9 of the engine -> the pid of the next one."""
    old = server.host.engine_pid()
    os.kill(old, signal.SIGKILL)
    warren.wait_for(lambda: (server.host.engine_pids() or [old])[0] != old, what="the keeper starts another engine")
    warren.wait_for(lambda: can_list(server), what="the new engine answers")
    return server.host.engine_pid()


def can_list(server):
    """Whether a request that needs the engine is served."""
    try:
        return server.raw("GET", "/templates")[0] == 200
    except (OSError, warren.http.client.HTTPException):
        return False


def test_kill_leaves_nothing(server, fresh):
    made = fresh()
    spaces = make_busy(made)
    assert all(server.host.snapshot(made.id)[kind] for kind in ("cgroups", "processes", "uppers")), "the check would see nothing"
    assert len(made.pids()) >= 5
    made.kill()
    server.host.assert_gone(made.id, inodes=spaces)


def test_kill_is_complete_when_it_is_answered(server):
    """No process is left at the moment of the 204, not a little later."""
    for _ in range(5):
        made = server.create()
        spaces = make_busy(made)
        made.kill()
        assert warren.processes_in_namespaces(spaces) == []


def test_killed_sandbox_is_unknown(server):
    made = server.create()
    made.kill()
    for call in (made.kill, made.metrics, lambda: made.run("true")):
        with pytest.raises(warren.ApiError) as failure:
            call()
        assert failure.value.status in (404, 502)
    assert not made.alive()


def test_concurrent_kills_agree(server):
    """Several kills of one sandbox: each is answered, one at least with success."""
    made = server.create()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.raw("DELETE", f"/sandboxes/{made.id}")[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 204 in answers and set(answers) <= {204, 404}
    server.host.assert_gone(made.id)


def test_hundred_cycles_leave_nothing(server):
    for _ in range(30):
        server.create().kill()
    before = server.host.settled()
    ids = []
    for _ in range(100):
        made = server.create()
        ids.append(made.id)
        made.kill()
    assert len(set(ids)) == 100
    server.host.assert_gone(*ids)
    server.host.assert_settled(before)


def test_many_at_once_leave_nothing(server):
    """40 live sandboxes, killed by several threads."""
    before = server.host.settled()
    made = [server.create() for _ in range(40)]
    spaces = {inode for one in made for inode in one.namespaces().values()}
    threads = [threading.Thread(target=lambda part=made[i::4]: [one.kill() for one in part]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.host.assert_gone(*[one.id for one in made], inodes=spaces)
    # a slot keeps one descriptor of its id map for the next sandbox there: at most one per sandbox that lived at once
    most = before.pop("engine descriptors") + 40
    server.host.assert_settled(before)
    assert server.host.totals()["engine descriptors"] <= most


def test_deadline_kills(server):
    busy, idle = server.create(), server.create(timeout=1)
    spaces = make_busy(busy)
    server.request("POST", f"/sandboxes/{busy.id}/timeout", {"timeout": 1}, 204)
    warren.wait_for(lambda: not busy.alive() and not idle.alive(), 30, "the deadlines")
    server.host.assert_gone(busy.id, idle.id, inodes=spaces)


def test_deadline_can_be_moved(server, fresh):
    made = fresh(timeout=4)
    server.request("POST", f"/sandboxes/{made.id}/timeout", {"timeout": 300}, 204)
    time.sleep(4.5)
    assert made.alive() and made.check("echo alive") == "alive\n"
    server.request("POST", f"/sandboxes/{made.id}/timeout", {"timeout": 0}, 204)
    assert not made.alive()
    server.host.assert_gone(made.id)


def test_end_of_pid_1_is_noticed(server, fresh):
    """The host kills it, as the OOM killer might: the sandbox is gone and cleaned up without anybody asking."""
    made = fresh()
    spaces = make_busy(made)
    os.kill(made.agent_pid(), signal.SIGKILL)
    warren.wait_for(lambda: not made.alive(), what="the sandbox is no longer listed")
    server.host.assert_gone(made.id, inodes=spaces)


def test_client_that_leaves_during_create(server):
    """Nobody learnt the id: the sandbox is removed. The engine is stopped meanwhile, so that all clients leave before an answer."""
    known = {entry["sandboxID"] for entry in server.list()}
    engine = server.host.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        for _ in range(10):
            connection = warren.UnixConnection(server.socket)
            connection.request("POST", "/sandboxes", '{"templateID": "base", "timeout": 300}', {"Content-Type": "application/json"})
            connection.close()
        assert server.healthy()  # answered behind the requests above: the server has seen their clients leave
    finally:
        os.kill(engine, signal.SIGCONT)
    warren.wait_for(lambda: {entry["sandboxID"] for entry in server.list()} <= known, what="they are removed")
    warren.wait_for(lambda: server.host.running() <= known, what="none of them runs")


# ---- crashes ----


def test_kill_9_of_the_engine(restarted):
    """Sandboxes survive; afterwards exec, metrics and kill work as before."""
    made = restarted.create(memoryBytes=128 << 20)
    made.check("echo kept > /home/user/file")
    worker = made.start("while :; do date +%s%N > /tmp/heartbeat; sleep 0.05; done > /dev/null 2>&1").started()
    spaces = made.namespaces()
    agent = made.agent_pid()
    crash_engine(restarted)
    assert made.alive() and made.agent_pid() == agent and made.namespaces() == spaces
    assert made.check("cat /home/user/file") == "kept\n"
    first = made.check("cat /tmp/heartbeat")
    warren.wait_for(lambda: made.check("cat /tmp/heartbeat") != first, what="the process inside goes on")
    metrics = made.metrics()
    assert metrics["memTotal"] == 128 << 20 and metrics["pids"] >= 2 and metrics["diskUsed"] > 0
    other = restarted.create()
    assert other.check("echo new") == "new\n"
    bases = {warren.proc_read(one.agent_pid(), "uid_map") for one in (made, other)}
    assert len(bases) == 2, "the slot of the adopted sandbox was given away"
    for one in (made, other):
        one.kill()
    restarted.host.assert_gone(made.id, other.id, inodes=set(spaces.values()))
    worker.close()


def test_limits_survive_a_crash_of_the_engine(restarted):
    made = restarted.create(memoryBytes=128 << 20, pids=32, diskBytes=64 << 20)
    crash_engine(restarted)
    assert made.run(["/usr/bin/python3", "-c", "b = bytearray(400 << 20)"]).code == -1
    assert made.run("dd if=/dev/zero of=/var/tmp/x bs=1M count=200").code != 0
    assert made.metrics()["diskTotal"] == 64 << 20
    made.kill()


def test_deadline_survives_a_crash_of_the_engine(restarted):
    made = restarted.create(timeout=3)
    crash_engine(restarted)
    warren.wait_for(lambda: not made.alive(), 20, "the deadline")
    restarted.host.assert_gone(made.id)


def test_kill_9_of_the_server(restarted):
    """The next server finds the sandboxes with everything that it knew about them."""
    made = restarted.create(timeout=600, cpuMillis=700)
    restarted.request("POST", f"/sandboxes/{made.id}/timeout", {"timeout": 500}, 204)
    info = restarted.request("GET", f"/sandboxes/{made.id}")
    agent = made.agent_pid()
    restarted.kill9()
    assert warren.namespace_pid(agent) == 1, "the sandbox did not survive"
    restarted.start()
    again = restarted.request("GET", f"/sandboxes/{made.id}")
    assert again == info
    assert made.agent_pid() == agent and made.check("echo alive") == "alive\n"
    made.kill()
    restarted.host.assert_gone(made.id)


def test_sigterm_of_the_server(restarted):
    made = restarted.create()
    agent = made.agent_pid()
    restart(restarted)
    assert made.agent_pid() == agent and made.check("echo alive") == "alive\n"
    made.kill()
    restarted.host.assert_gone(made.id)


def test_deadline_that_passed_while_nobody_watched(restarted):
    made = restarted.create(timeout=1)
    restarted.kill9()
    time.sleep(1.5)
    restarted.start()
    warren.wait_for(lambda: not made.alive(), what="the new server keeps the deadline")
    restarted.host.assert_gone(made.id)


def test_end_that_nobody_watched(restarted):
    """A sandbox whose PID 1 ended while there was no engine."""
    made = restarted.create()
    agent = made.agent_pid()
    restarted.kill9()
    os.kill(agent, signal.SIGKILL)
    warren.wait_for(lambda: warren.is_zombie(agent), 30, "its PID 1 has ended")
    restarted.start()
    assert not made.alive()
    restarted.host.assert_gone(made.id)


def test_kill_9_of_the_keeper(restarted):
    """The engine goes with it, the server says so by its end, and the next one takes over."""
    made = restarted.create()
    engine = restarted.host.engine_pid()
    keeper = int(warren.re.search(r"^PPid:\s+(\d+)", warren.proc_read(engine, "status"), warren.re.M).group(1))
    assert warren.proc_read(keeper, "comm").strip() == "warren-keeper"
    os.kill(keeper, signal.SIGKILL)
    assert restarted.process.wait(30) != 0
    restarted.host.wait_engine_gone()
    restarted.start()
    assert made.check("echo alive") == "alive\n"
    made.kill()
    restarted.host.assert_gone(made.id)


def test_kill_9_of_a_nest(restarted):
    """Its sandboxes go with it: they are reported gone, everything is cleaned up, and the next create starts another nest."""
    made = [restarted.create() for _ in range(3)]
    spaces = {inode for one in made for inode in one.namespaces().values()}
    [nest] = restarted.host.nest_pids()
    os.kill(nest, signal.SIGKILL)
    warren.wait_for(lambda: not any(one.alive() for one in made), what="the sandboxes are no longer listed")
    restarted.host.assert_gone(*[one.id for one in made], inodes=spaces)
    again = warren.wait_for(lambda: try_create(restarted), what="a new nest")
    assert again.check("echo new") == "new\n" and nest not in restarted.host.nest_pids()
    again.kill()


def test_kill_9_of_nest_and_engine(restarted):
    made = restarted.create()
    spaces = set(made.namespaces().values())
    [nest] = restarted.host.nest_pids()
    for pid in (restarted.host.engine_pid(), nest):
        os.kill(pid, signal.SIGKILL)
    warren.wait_for(lambda: can_list(restarted) and not made.alive(), what="the sandbox is no longer listed")
    restarted.host.assert_gone(made.id, inodes=spaces)
    again = warren.wait_for(lambda: try_create(restarted), what="a new nest")
    assert again.check("echo new") == "new\n"
    again.kill()


def try_create(server):
    try:
        return server.create()
    except (warren.ApiError, OSError, warren.http.client.HTTPException):
        return None


def assert_consistent(server):
    """What the server lists, what runs, and what lies on the disk are the same."""
    def differences():
        listed = {entry["sandboxID"] for entry in server.list()}
        leaves = {leaf for _, leaf in server.host.cgroups() if len(leaf) == 20}
        running = server.host.running()
        uppers = server.host.uppers()
        found = []
        if running != listed:
            found.append(f"running {running} but listed {listed}")
        if leaves - listed != uppers - listed or not listed <= uppers:
            found.append(f"groups {leaves ^ uppers} differ from directories")
        spare = {leaf for leaf in leaves - listed if not warren.is_zygote(leaf)}
        if len(spare) > 32:
            found.append(f"{len(spare)} spare sandboxes")
        return found
    end = time.monotonic() + 60
    while found := differences():
        assert time.monotonic() < end, found
        time.sleep(0.1)


@pytest.mark.parametrize("seed", range(3))
def test_engine_crashes_during_a_storm(restarted, seed):
    """kill -9 of the engine at random moments while sandboxes are made and killed: no orphan of any kind."""
    stop = threading.Event()
    chance = random.Random(seed)

    def storm():
        mine = []
        while not stop.is_set():
            made = try_create(restarted)
            if made:
                mine.append(made)
            if len(mine) > 3:
                try:
                    mine.pop(0).kill()
                except (warren.ApiError, OSError, warren.http.client.HTTPException):
                    pass

    threads = [threading.Thread(target=storm) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(chance.uniform(0.02, 0.4))
        crash_engine(restarted)
    time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert_consistent(restarted)
    for entry in restarted.list():
        one = warren.Sandbox(restarted, entry)
        assert one.check("echo alive") == "alive\n"
        one.kill()
    assert_consistent(restarted)
    assert restarted.list() == []


@pytest.mark.parametrize("seed", range(2))
def test_server_crashes_during_a_storm(restarted, seed):
    """The same for the server: whatever it had been asked for, the next one knows what exists."""
    chance = random.Random(seed)
    stop = threading.Event()

    def storm():
        while not stop.is_set():
            try_create(restarted)

    threads = [threading.Thread(target=storm) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(chance.uniform(0.05, 0.3))
    restarted.kill9()
    stop.set()
    for thread in threads:
        thread.join()
    restarted.start()
    assert_consistent(restarted)
    for entry in restarted.list():
        warren.Sandbox(restarted, entry).kill()
    assert_consistent(restarted)


def test_engine_crash_during_kills(restarted):
    """Sandboxes that were being removed are gone afterwards or still there as a whole."""
    made = [restarted.create() for _ in range(12)]
    spaces = {inode for one in made for inode in one.namespaces().values()}

    def kill(one):
        try:
            one.kill()
        except (warren.ApiError, OSError, warren.http.client.HTTPException):
            pass

    threads = [threading.Thread(target=kill, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    crash_engine(restarted)
    for thread in threads:
        thread.join()
    assert_consistent(restarted)
    for entry in restarted.list():
        warren.Sandbox(restarted, entry).kill()
    restarted.host.assert_gone(*[one.id for one in made], inodes=spaces)


def test_everything_ends_with_an_idle_server(tmp_path_factory):
    """Asserted by the end of the session for the shared server (fixtures.py); here for a server that never made a sandbox."""
    data = tmp_path_factory.mktemp("idle", numbered=True)
    for parent in (data.parent, data.parent.parent):
        os.chmod(parent, 0o711)  # the server, which is not root, has a directory below
    os.chmod(data, 0o700)
    other = warren.Server(str(data), arguments=["--volume-size", "512M"])
    other.start()
    assert other.host.mounts() and other.host.loop_devices()
    other.shut_down()
    warren.wait_for(lambda: not other.host.loop_devices(), what="the loop device is detached")
    assert not other.host.mounts() and not other.host.cgroups()
