"""Supplies of sandboxes and persistent sessions of libwarren against a real server (supply_check.c)."""

import json
import signal
import subprocess
import time

import libwarren
import pytest
import warren

SEPARATOR = "\n-----\n"


def check(environment, *arguments, stdin="", state_dir=None):
    """Runs one check -> what it reports."""
    if state_dir:
        environment = {**environment, "WARREN_STATE_DIR": str(state_dir)}
    done = subprocess.run([libwarren.program("supply_check"), *map(str, arguments)], env=environment, input=stdin,
                          capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- pool ----

@pytest.mark.parametrize("cleaning", ["recycle", "reset"])
def test_forty_uses_of_a_pool_of_four_see_nothing_of_each_other(cleaning, endpoint, none_left):
    report = check(endpoint, "pool", 4, 8, 5, cleaning)
    assert report["traces"] == 0, report
    assert report["stats"]["leases"] == 40
    assert report["stats"]["resets_refused"] == 0, report
    if cleaning == "recycle":
        assert report["stats"]["created"] >= 40 and report["stats"]["resets"] == 0
    else:
        assert report["stats"]["created"] == 4 and report["stats"]["resets"] >= 32


# ---- reset in place ----

LEAVE = r'''
import builtins, ctypes, json, os, subprocess, sys, time
home = os.path.expanduser("~")
for path in (home, "/tmp", "/var/tmp", "/dev/shm"):
    os.makedirs(f"{path}/deep/er", exist_ok=True)
    for name in ("trace", ".hidden", "deep/er/file"):
        with open(f"{path}/{name}", "w") as file:
            file.write("former use")
    os.symlink("/etc/passwd", f"{path}/link")
    os.mkdir(f"{path}/closed")
    os.chmod(f"{path}/closed", 0)
    os.mkfifo(f"{path}/fifo")
# What the next interpreter, shell or login would run.
site = f"{home}/.local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
os.makedirs(site)
with open(f"{site}/evil.pth", "w") as file:
    file.write("import os; os.environ['EVIL'] = 'pth'\n")
os.makedirs(f"{home}/.config/autostart")
os.makedirs(f"{home}/bin")
with open(f"{home}/bin/ls", "w") as file:
    file.write("#!/bin/sh\necho evil\n")
# The interpreter's own state.
os.environ["FORMER"] = "use"
former_variable = 1
builtins.former = 1
import colorsys
sys.modules["json"].former = 1
os.chdir("/tmp")
os.umask(0)
# Processes: a child, a daemon in a session of its own that writes again and again, a server.
subprocess.Popen(["sleep", "1000"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            try:
                with open("/tmp/again", "w") as file:
                    file.write("cron")
            except OSError:
                pass
            time.sleep(0.01)
    os._exit(0)
subprocess.Popen([sys.executable, "-m", "http.server", "8899"], start_new_session=True, stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL)
import urllib.request
for attempt in range(200):
    try:
        urllib.request.urlopen("http://127.0.0.1:8899/").read()
        break
    except OSError:
        time.sleep(0.05)
else:
    raise RuntimeError("no server")
print(sorted(os.listdir("/dev/shm")))
'''

LOOK = r'''
import builtins, json, os, subprocess, sys
found = {}
home = os.path.expanduser("~")
for path in (home, "/tmp", "/var/tmp", "/dev/shm"):
    found[path] = sorted(os.listdir(path))
found["environment"] = sorted(name for name in os.environ if name in ("FORMER", "EVIL"))
found["variables"] = "former_variable" in globals()
found["builtins"] = hasattr(builtins, "former")
found["modules"] = "colorsys" in sys.modules, hasattr(json, "former")
found["cwd"] = os.getcwd()
found["umask"] = os.umask(0o022)
commands = []
for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
    if pid not in (1, os.getpid()):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                commands.append(file.read().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
found["processes"] = commands
listening = []
for name in ("tcp", "tcp6"):
    with open(f"/proc/net/{name}") as file:
        listening += [line.split()[1].rpartition(":")[2] for line in list(file)[1:] if line.split()[3] == "0A"]
found["port 8899"] = f"{8899:04X}" in listening
found["shell"] = subprocess.run(["bash", "-lc", "ls / > /dev/null && type ls; echo $FORMER$EVIL"], capture_output=True, text=True).stdout
print(json.dumps(found))
'''


def reset(endpoint, leave, look, setup="", volume=""):
    return check(endpoint, "reset", setup, volume, stdin=leave + SEPARATOR + look)


def test_after_a_reset_nothing_of_the_former_use_is_there(endpoint, none_left):
    clean = reset(endpoint, "print(1)", LOOK)
    used = reset(endpoint, LEAVE, LOOK)
    for report in (clean, used):
        assert report["first"] == report["second"] and not report["fresh"], report
        assert report["stats"]["resets"] == 2 and report["stats"]["resets_refused"] == 0
    assert "trace" in used["left"]
    assert json.loads(used["found"]) == json.loads(clean["found"])
    assert "/tmp" in json.loads(clean["found"]) and json.loads(clean["found"])["/tmp"] == []


def test_a_sandbox_is_reset_again_and_again(endpoint, none_left):
    report = check(endpoint, "one-by-one", 15, "reset")
    assert report["stats"]["created"] == 1 and report["stats"]["resets"] >= 14 and report["stats"]["resets_refused"] == 0, report


def test_a_setup_is_part_of_what_a_reset_sandbox_looks_like(endpoint, none_left):
    setup = ("import os, pathlib, subprocess; prepared = 5; pathlib.Path('tools').mkdir(exist_ok=True); "
             "pathlib.Path('tools/ready').write_text('yes')")
    look = ("import os; print(prepared, open('tools/ready').read(), os.path.exists('tools/added'), 'mine' in globals(), "
            "os.path.exists('/tmp/mine'))")
    report = reset(endpoint, "mine = prepared; open('/tmp/mine', 'w').close(); open('tools/added', 'w').close()", look, setup)
    assert report["found"] == "5 yes False False False\n", report


@pytest.mark.parametrize("leave, why", [
    ("import colorsys, subprocess; subprocess.run(['sudo', 'sh', '-c', 'echo evil >> ' + colorsys.__file__], check=True)",
     "was changed"),
    ("import subprocess; subprocess.run(['sudo', 'sh', '-c', 'echo evil >> ' + __import__('json').__file__], check=True)",
     "cannot compare"),
    ("import subprocess; subprocess.run(['sudo', 'rm', '/etc/services'], check=True)", "was changed"),
    ("import subprocess; subprocess.run(['sudo', 'chmod', '700', '/usr/share/perl5'], check=True)", "was changed"),
    ("import subprocess; subprocess.run(['sudo', 'mkdir', '-p', '/opt/new'], check=True)", "was changed"),
    ("import subprocess; subprocess.run(['sudo', 'mkdir', '/new'], check=True)", "from /"),
    ("import subprocess; subprocess.run(['sudo', 'touch', '/run/new'], check=True)", "/run"),
    ("import subprocess; subprocess.run(['sudo', 'touch', '/home/new'], check=True)", "/home"),
    ("open('/home/user/.bashrc', 'a').write('export EVIL=1\\n')", ".bashrc was changed"),
    ("import os; os.unlink('/home/user/.bashrc')", ".bashrc was removed"),
    ("import os; os.rename('/home/user/.bashrc', '/home/user/.other')", ".bashrc was removed"),
    ("import os; os.chmod('/home/user', 0o777)", "/home/user has other attributes"),
    ("import os; os.setxattr('/home/user', 'user.note', b'for the next')", "/home/user has other attributes"),
    ("import ctypes; libc = ctypes.CDLL(None); assert libc.shmget(77, 4096, 0o1600) >= 0", "System V"),
    ("import ctypes, os; libc = ctypes.CDLL(None); assert libc.mq_open(b'/note', os.O_CREAT | os.O_RDWR, 0o600, None) >= 0",
     "POSIX message queues"),
], ids=["module", "module that the comparison needs", "removed file", "mode of a directory", "new directory deep",
        "new directory", "run", "home",
        "bashrc appended", "bashrc removed", "bashrc renamed", "mode of home", "attribute of home", "shared memory", "message queue"])
def test_what_cannot_be_undone_is_refused_and_replaced(leave, why, endpoint, none_left):
    report = reset(endpoint, leave, "print('ok')")
    assert report["first"] != report["second"] and report["fresh"], report
    assert report["stats"]["resets_refused"] >= 1
    assert why in report["pool_reset_refused"]["error"], report


def test_what_the_setup_made_elsewhere_is_compared_as_well(endpoint, none_left):
    setup = "import subprocess; subprocess.run('sudo mkdir -p /opt/tool/inner; echo 1 | sudo tee /opt/tool/inner/file', shell=True)"
    report = reset(endpoint, "print(1)", "print(2)", setup.replace("; echo", "; [ -e /opt/tool/inner/file ] || echo"))
    assert report["first"] == report["second"], report
    change = "import subprocess; subprocess.run(['sudo', 'sh', '-c', 'echo 2 >> /opt/tool/inner/file'], check=True)"
    report = reset(endpoint, change, "print(2)", setup)
    assert report["first"] != report["second"], report
    assert "/opt/tool/inner/file was changed" in report["pool_reset_refused"]["error"]


def test_a_volume_is_left_as_it_is(service, endpoint, none_left):
    made = service.cli("volume", "create", "kept")
    assert made.code == 0, made
    try:
        report = reset(endpoint, "open('/home/user/kept/file', 'w').write('shared'); open('/home/user/mine', 'w').close()",
                       "import os; print(open('/home/user/kept/file').read(), os.path.exists('/home/user/mine'))",
                       volume="kept:/home/user/kept")
        assert report["first"] == report["second"] and report["found"] == "shared False\n", report
    finally:
        warren.wait_for(lambda: service.cli("volume", "rm", "kept").code == 0, 20, "no sandbox has the volume")


def test_contexts_begin_anew_and_additional_ones_go(endpoint, none_left):
    report = reset(endpoint, "x = 1; import sys; sys.setrecursionlimit(77)",
                   "import sys; print('x' in globals(), sys.getrecursionlimit() == 77)")
    assert report["found"] == "False False\n"


# ---- session ----

def test_a_session_remembers(endpoint, none_left):
    report = check(endpoint, "state")
    assert report["last"] == "3\n" and report["stats"]["created"] == 1


BEFORE = r'''
import collections as c, json, os
number, text, nested = 5, "naïve", {"a": [1, (2, 3)]}
def function(): return number
anonymous = lambda: 1
opened = open("/etc/passwd")
os.makedirs("project/inner")
with open("project/run.sh", "w") as file: file.write("#!/bin/sh\necho ran\n")
os.chmod("project/run.sh", 0o750)
os.symlink("run.sh", "project/link")
with open("project/inner/data", "wb") as file: file.write(os.urandom(100000))
'''
AFTER = r'''
import json, os, subprocess
print(json.dumps({
    "number": number, "text": text, "nested": nested == {"a": [1, (2, 3)]}, "module": c.__name__, "json": json.__name__,
    "function": "function" in globals(), "prepared": prepared, "link": os.readlink("project/link"),
    "mode": oct(os.stat("project/run.sh").st_mode & 0o777),
    "owner": os.stat("project/inner/data").st_uid == os.getuid(), "size": os.path.getsize("project/inner/data"),
    "ran": subprocess.run(["project/run.sh"], capture_output=True, text=True).stdout, "left in /tmp": os.listdir("/tmp")}))
'''


def test_a_rotation_carries_files_and_variables_and_says_what_it_could_not(endpoint, none_left):
    report = check(endpoint, "rotate", "prepared = 'by the setup'", stdin=BEFORE + SEPARATOR + AFTER)
    assert report["first"] != report["second"]
    assert json.loads(report["found"]) == {
        "number": 5, "text": "naïve", "nested": True, "module": "collections", "json": "json", "function": False,
        "prepared": "by the setup", "link": "run.sh", "mode": "0o750", "owner": True, "size": 100000, "ran": "ran\n",
        "left in /tmp": []}
    rotated = report["session_rotated"]
    assert rotated["replaced"] == report["first"] and rotated["sandbox_id"] == report["second"]
    assert rotated["files"] == "carried"
    assert {"function", "anonymous", "opened"} <= set(rotated["variables_left"])
    assert not {"number", "text", "nested", "c", "json"} & set(rotated["variables_left"])
    assert report["stats"]["rotations"] == 1


# ---- persistent sessions ----

def test_a_session_outlives_its_process(endpoint, none_left, tmp_path):
    path = tmp_path / "sessions.db"
    first = check(endpoint, "named", path, "chat", "x = 41; print('set')")
    assert first["fresh"]
    second = check(endpoint, "named", path, "chat", "print(x + 1)")
    assert not second["fresh"] and second["sandbox"] == first["sandbox"] and second["output"] == "42\n"
    listed = check(endpoint, "list", path)["sessions"]
    assert [(one["id"], one["sandbox_id"], one["state"]) for one in listed] == [("chat", first["sandbox"], "running")]
    check(endpoint, "close", path, "chat")
    assert check(endpoint, "list", path)["sessions"] == []


def test_the_file_is_in_the_state_directory_when_nobody_says(endpoint, none_left, tmp_path):
    # supply_check's "-" is no path of its own.
    check(endpoint, "named", "-", "chat", "print(1)", state_dir=tmp_path)
    assert (tmp_path / "sessions.db").stat().st_mode & 0o777 == 0o600
    check(endpoint, "close", "-", "chat", state_dir=tmp_path)


def test_a_paused_session_keeps_its_variables(service, endpoint, none_left, tmp_path):
    path = tmp_path / "sessions.db"
    first = check(endpoint, "named", path, "chat", "x = 41")
    for _ in range(2):  # one that is paused already is no error
        assert check(endpoint, "pause", path, "chat")["code"] == "ok"
    assert [one["state"] for one in check(endpoint, "list", path)["sessions"]] == ["paused"]
    info = service.request("GET", f"/sandboxes/{first['sandbox']}")
    assert (info["state"], info["pause"]["level"]) == ("paused", "hibernated")
    again = check(endpoint, "named", path, "chat", "print(x + 1)")
    assert not again["fresh"] and again["sandbox"] == first["sandbox"] and again["output"] == "42\n"
    assert [one["state"] for one in check(endpoint, "list", path)["sessions"]] == ["running"]
    check(endpoint, "close", path, "chat")


def start(environment, *arguments):
    return subprocess.Popen([libwarren.program("supply_check"), *map(str, arguments)], env=environment, stdout=subprocess.PIPE, text=True)


def test_what_a_killed_owner_was_making_is_gone_after_the_next_opening(service, endpoint, none_left, tmp_path):
    path = tmp_path / "sessions.db"
    for round_number in range(4):
        owner = start(endpoint, "flood", path)
        owner.stdout.readline()
        time.sleep(0.013 * round_number)  # somewhere between a row and its sandbox
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        sessions = check(endpoint, "list", path)["sessions"]
        assert all(one["state"] == "running" for one in sessions), sessions

        def joined():
            check(endpoint, "list", path)  # a create that was under way may have come after the last look
            return {one["sandboxID"] for one in service.list()} <= {one["sandbox_id"] for one in sessions}

        warren.wait_for(joined, 20, "every sandbox has its session")
        for one in sessions:
            check(endpoint, "close", path, one["id"])


def test_a_pool_lives_as_long_as_its_owner(service, endpoint, none_left):
    owner = start(endpoint, "hold", 10)
    try:
        assert json.loads(owner.stdout.readline())["stats"]["idle"] == 2
        held = {one["sandboxID"] for one in service.list()}
        assert len(held) == 2
        time.sleep(12)  # longer than its sandboxes would live without it
        assert {one["sandboxID"] for one in service.list()} == held
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    warren.wait_for(lambda: not service.list(), 60, "its sandboxes have ended")
