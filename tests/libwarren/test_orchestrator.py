"""The orchestrator against a server: many tasks over few sandboxes, and what they share."""

import json
import subprocess

import pytest

import libwarren

pytestmark = pytest.mark.usefixtures("none_left")


def run(endpoint, tasks, seconds=150, **script):
    done = subprocess.run([libwarren.program("orchestrate_check")], input=json.dumps({"tasks": tasks, **script}), env=endpoint,
                          capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def results(endpoint, tasks, **options):
    shown = run(endpoint, [{"code": one} if isinstance(one, str) else one for one in tasks], options=options)
    return shown["output"]["results"]


def outputs(endpoint, tasks, **options):
    """Standard output of tasks that have to succeed."""
    found = results(endpoint, tasks, **options)
    assert all(one["success"] for one in found), [one for one in found if not one["success"]]
    return [one["stdout"] for one in found]


def volumes(service):
    return [one["volumeID"] for one in service.request("GET", "/volumes")]


def test_twenty_agents_at_once(endpoint):
    tasks = [{"id": f"agent-{i}", "code": f"import os\nprint(os.environ['WARREN_TASK_ID'], {i} ** 2)"} for i in range(20)]
    shown = run(endpoint, tasks, options={"max_concurrent": 20})
    assert [one["stdout"] for one in shown["output"]["results"]] == [f"agent-{i} {i ** 2}\n" for i in range(20)]
    assert shown["output"]["succeeded"] == 20 and shown["output"]["max_running"] > 1
    assert sorted(shown["told"]) == list(range(20))
    assert len({one["sandbox_id"] for one in shown["output"]["results"]}) == 20


def test_more_tasks_than_sandboxes(endpoint):
    shown = run(endpoint, [{"code": f"print({i})"} for i in range(12)], options={"max_concurrent": 2}, supply="pool")
    assert [one["stdout"] for one in shown["output"]["results"]] == [f"{i}\n" for i in range(12)]
    assert shown["output"]["max_running"] <= 2


def test_a_failure_in_the_middle(endpoint):
    found = results(endpoint, ["print(1)", "1/0", "while True: pass", "print(4)"], task_timeout_ms=6000)
    assert [one["success"] for one in found] == [True, False, False, True]
    assert found[1]["error"] == "ZeroDivisionError: division by zero"
    assert found[2]["error_code"] == "deadline_exceeded"


def test_the_first_failure_ends_the_rest(endpoint):
    shown = run(endpoint, [{"code": "import time; time.sleep(60)"}, {"code": "1/0"}, {"code": "print(3)"}],
                options={"max_concurrent": 2, "stop_on_failure": True})
    output = shown["output"]
    assert (output["succeeded"], output["failed"], output["skipped"]) == (0, 2, 1)
    assert [one.get("error_code") for one in output["results"]] == ["canceled", None, "canceled"]


def test_a_cancel(endpoint):
    shown = run(endpoint, [{"code": "print(1)"}] + [{"code": "import time; time.sleep(60)"}] * 5, options={"max_concurrent": 3},
                cancel_after=1)
    assert shown["error"]["code"] == "canceled"
    assert sorted(shown["told"]) == list(range(6))


def test_files_through_a_volume(service, endpoint):
    before = volumes(service)
    code = """
import os, time
board, me, count = os.environ["WARREN_BOARD"], int(os.environ["WARREN_TASK_INDEX"]), int(os.environ["WARREN_TASK_COUNT"])
with open(f"{board}/{me}.tmp", "w") as file:
    file.write(str(me * 10))
os.rename(f"{board}/{me}.tmp", f"{board}/{me}.txt")
end = time.monotonic() + 30
while len([name for name in os.listdir(board) if name.endswith(".txt")]) < count and time.monotonic() < end:
    time.sleep(0.02)
print(sum(int(open(f"{board}/{i}.txt").read()) for i in range(count)))
"""
    assert outputs(endpoint, [code] * 4, share="volume", max_concurrent=4) == ["60\n"] * 4
    assert volumes(service) == before


def test_barrier_channel_and_lease_in_sandboxes(service, endpoint):
    before = volumes(service)
    code = """
import os
from warren_board import Barrier, Channel, Closed, Lease, board
me, count = int(os.environ["WARREN_TASK_INDEX"]), int(os.environ["WARREN_TASK_COUNT"])
numbers = [Barrier("start", count).wait(timeout=30) for _ in range(3)]
jobs, sums = Channel("jobs"), Channel("sums")
if me == 0:
    for n in range(30):
        jobs.put({"n": n})
    jobs.close()
done = [job["n"] for job in jobs]
for _ in range(5):
    with Lease("total", ttl=20, timeout=30):
        path = os.path.join(board(), "total")
        old = int(open(path).read()) if os.path.exists(path) else 0
        open(path, "w").write(str(old + 1))
Barrier("end", count).wait(timeout=30)
sums.put(sum(done))
Barrier("sums", count).wait(timeout=30)
if me == 0:
    print(sum(sums.get(timeout=30) for _ in range(count)), open(os.path.join(board(), "total")).read(), sorted(done) == done)
"""
    shown = outputs(endpoint, [code] * 4, share="volume", max_concurrent=4)
    assert shown == [f"{sum(range(30))} 20 True\n", "", "", ""]
    assert volumes(service) == before


def test_lost_leases_and_timeouts_in_sandboxes(service, endpoint):
    code = """
from warren_board import Barrier, Channel, Closed, Lease, Lost
first, second = Lease("a", ttl=0.05), Lease("a", ttl=20, timeout=10)
one = first.take()
two = second.take()
for wrong, act in ((Lost, first.renew), (TimeoutError, lambda: Lease("a", timeout=0.05).take()),
                   (TimeoutError, lambda: Barrier("b", 2).wait(timeout=0.05)), (TimeoutError, lambda: Channel("c").get(timeout=0.05)),
                   (ValueError, lambda: Channel("../x")), (ValueError, lambda: Barrier("b", 0))):
    try:
        act()
        print("nothing", wrong)
    except wrong:
        pass
first.give(); second.renew(); second.give()
full = Channel("full", capacity=1)
full.put(1)
try:
    full.put(2, timeout=0.05)
except TimeoutError:
    print(two > one, full.get())
"""
    assert outputs(endpoint, [code], share="volume") == ["True 1\n"]


def test_files_through_the_blackboard(endpoint, tmp_path):
    board = tmp_path / "board"
    board.mkdir()
    (board / "input.txt").write_text("7")
    (board / "link").symlink_to("/etc/passwd")
    shown = outputs(endpoint, [
        "open('/board/a.txt', 'w').write(open('/board/input.txt').read() * 2)",
        "import os; os.makedirs('/board/deep/er'); open('/board/deep/er/b.bin', 'wb').write(bytes(range(256)))",
        "print(open('/board/a.txt').read(), len(open('/board/deep/er/b.bin', 'rb').read()), __import__('os').path.exists('/board/link'))",
        {"code": "cat $WARREN_BOARD/a.txt", "language": "bash"},
    ], share="blackboard", blackboard_dir=str(board), max_concurrent=1)
    assert shown[2:] == ["77 256 False\n", "77"]
    assert (board / "deep/er/b.bin").read_bytes() == bytes(range(256))
    assert (board / "input.txt").read_text() == "7"


def test_waiting_on_the_blackboard_is_refused(endpoint):
    code = "from warren_board import Barrier, NotShared, board\nprint(board())\ntry:\n    Barrier('x', 1)\nexcept NotShared as e:\n    print(e)"
    shown = outputs(endpoint, [code], share="blackboard")
    assert shown[0].startswith("/board\n") and "volume share" in shown[0]


def test_what_a_hostile_task_leaves_on_the_blackboard(endpoint, tmp_path):
    board = tmp_path / "board"
    board.mkdir()
    outside = tmp_path / "outside"
    outside.write_text("safe")
    shown = results(endpoint, [
        f"import os\nos.symlink('{outside}', '/board/link')\nos.symlink('/etc', '/board/dir')\nos.mkfifo('/board/fifo')\n"
        "open('/board/.warren-board', 'a').write('x')\nopen('/board/new\\nline', 'w').write('x')\nopen(b'/board/\\xff', 'w').write('x')\n"
        "open('/board/fine', 'w').write('x')",
        "open('/board/large', 'wb').truncate(100 << 20)",
        "[open(f'/board/{i}', 'w').close() for i in range(5000)]",
        {"code": "print(sorted(__import__('os').listdir('/board')))"},
    ], share="blackboard", blackboard_dir=str(board), max_concurrent=1, max_blackboard_bytes=1 << 20)
    assert shown[0]["success"], shown[0]
    assert [one.get("error_code") for one in shown[1:3]] == ["resource_exhausted"] * 2
    assert outside.read_text() == "safe"
    assert sorted(path.name for path in board.iterdir()) == ["fine"]
    assert all(path.is_file() and not path.is_symlink() for path in board.iterdir())
    assert shown[3]["success"]


def test_a_directory_that_holds_files_is_left_alone(endpoint):
    shown = results(endpoint, ["1"], share="blackboard", share_path="/etc")
    assert shown[0]["error_code"] == "failed_precondition" and "share_path" in shown[0]["error"]
