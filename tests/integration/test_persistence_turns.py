"""Who waits for his turn to be saved or restored: he is as he was, and is told when he waits in vain."""

import saved
import warren
from gated import level, post

SERVER_ARGUMENTS = ["--max-jobs", "1"]


def waiting(own):
    connection = warren.UnixConnection(own.socket, 20)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        return int(next(line for line in lines if line.startswith("warren_jobs_waiting ")).split()[1])
    finally:
        connection.close()


def test_what_waits_is_not_frozen(own, made, gate):
    first, second, third, fourth = (made() for _ in range(4))
    kept = {one: saved.Kept(one) for one in (first, second, third, fourth)}
    gate.hold("before-dump")
    holds = saved.Later(own, "POST", f"/sandboxes/{first.id}/pause", {})
    gate.reached()
    pause = saved.Later(own, "POST", f"/sandboxes/{second.id}/pause", {})
    snapshot = saved.Later(own, "POST", f"/sandboxes/{third.id}/snapshots", {})
    killed = saved.Later(own, "POST", f"/sandboxes/{fourth.id}/pause", {})
    warren.wait_for(lambda: waiting(own) == 3, 20, "three wait")
    for one in (second, third, fourth):
        kept[one].check()
    assert len(saved.jobs(own)) == 1
    # what is paused in memory waits for nobody, and the end of a sandbox ends its waiting
    fifth = made()
    fifth.pause(level="frozen")
    fifth.resume()
    fourth.kill()
    assert killed.end() == 404 and waiting(own) == 2
    gate.let_go()
    assert (holds.end(), pause.end(), snapshot.end()) == (204, 204, 201)
    assert level(second) == "hibernated"
    kept[third].check()
    # several that are resumed at a time come back one after the other
    resumes = [saved.Later(own, "POST", f"/sandboxes/{one.id}/resume", {"timeout": 60}) for one in (first, second)]
    assert [one.end() for one in resumes] == [201, 201]
    kept[first].check()
    kept[second].check()


def test_copies_wait_too(own, made):
    sandbox = made()
    kept = saved.Kept(sandbox)
    status, answer = own.raw("POST", f"/sandboxes/{sandbox.id}/fork", '{"count": 4, "timeout": 60}', 120)
    assert status == 201
    for one in answer:
        kept.check(made(of=one["sandbox"]))
    kept.check()


def test_the_end_of_the_server_ends_the_waiting(own, made, gate):
    first, second = made(), made()
    kept = saved.Kept(second)
    gate.hold("before-dump")
    saved.Later(own, "POST", f"/sandboxes/{first.id}/pause", {})
    gate.reached()
    later = saved.Later(own, "POST", f"/sandboxes/{second.id}/pause", {})
    warren.wait_for(lambda: waiting(own) == 1, 20, "one waits")
    own.process.terminate()
    assert later.end() != 204
    gate.let_go()
    own.process.wait(30)
    own.start()
    kept.check()
    warren.wait_for(lambda: level(first) == "hibernated", 20, "what was under way is done")
