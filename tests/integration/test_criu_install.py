"""`warren criu install` and `warren criu check`. The build itself (20 s) is that of tools/build-criu, which other tests use."""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

import criu
import spare_data
import warren

BUILD = subprocess.run([criu.ROOT / "tools" / "build-criu", "--build"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
CANCELED, DENIED, FAILED = 64, 70, 72


@pytest.fixture(scope="module")
def built():
    return pathlib.Path(criu.binary())


def environment(**more):
    return {"PATH": os.environ["PATH"], "WARREN_CONFIG": "/dev/null", **more}


def call(*args, **variables):
    return subprocess.run([warren.binary(), "criu", *map(str, args)], env=environment(**variables), capture_output=True,
                          text=True, timeout=120, check=False)


def program(path, script):
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def mirror(answer):
    """A Debian mirror that does `answer(handler)` -> its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/debian"
    finally:
        server.shutdown()
        server.server_close()


def test_check_works_with_our_build(built):
    done = call("check", "--json")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert found["works"] is True and found["version"] == BUILD and found["reason"] is None
    done = call("check", WARREN_CRIU=str(built))
    assert done.returncode == 0 and BUILD in done.stdout and str(built) in done.stdout


def test_install_keeps_what_is_there(built, tmp_path):
    directory = tmp_path / "a b" / "--c"
    directory.mkdir(parents=True)
    shutil.copy(built, directory / "criu")
    done = call("install", "--directory", directory, "--json", DEBIAN_MIRROR="http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"path": str(directory / "criu"), "version": BUILD, "wasThere": True}
    done = call("install", "--directory", directory)
    assert "it was there" in done.stdout and f"criu = {directory}/criu" in done.stdout
    assert call("check", WARREN_CRIU=str(directory / "criu")).returncode == 0


@pytest.mark.parametrize("answer, reason", [
    (lambda handler: handler.send_error(404), "cannot fetch http://127.0.0.1:"),
    (lambda handler: handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nnot a tarball"), "not used"),
])
def test_what_the_mirror_gives_is_checked(built, tmp_path, answer, reason):
    (tmp_path / "tmp").mkdir()
    with mirror(answer) as url:
        done = call("install", "--directory", tmp_path / "new", DEBIAN_MIRROR=url, TMPDIR=str(tmp_path / "tmp"))
    assert done.returncode == FAILED and reason in done.stderr
    assert "fetching criu" in done.stderr
    assert not list((tmp_path / "tmp").iterdir()) and not (tmp_path / "new").exists()


def test_an_interrupted_install_leaves_nothing(built, tmp_path):
    (tmp_path / "tmp").mkdir()
    asked, over = threading.Event(), threading.Event()

    def hang(_):
        asked.set()
        over.wait(60)

    with mirror(hang) as url:
        process = subprocess.Popen([warren.binary(), "criu", "install", "--quiet", "--directory", tmp_path / "new"], text=True,
                                   env=environment(DEBIAN_MIRROR=url, TMPDIR=str(tmp_path / "tmp")), stderr=subprocess.PIPE)
        try:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            over.set()
            process.kill()
            process.wait()
    assert process.returncode == CANCELED and "interrupted" in err
    assert not list((tmp_path / "tmp").iterdir()) and not (tmp_path / "new").exists()


def refused(path):
    done = call("check", "--json", WARREN_CRIU=str(path))
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["works"] is False
    return found["reason"]


def test_check_says_what_is_wrong(built, tmp_path):
    assert "No such file" in refused(tmp_path / "missing")
    assert "not Warren's build" in refused(program(tmp_path / "stock", "echo Version: 4.2.1\n"))
    assert "too old" in refused(program(tmp_path / "old", "echo Version: 4.2.1-warren1\n"))
    open_to_all = program(tmp_path / "open", "echo Version: 9.9-warren9\n")
    open_to_all.chmod(0o777)
    assert "can be changed by others" in refused(open_to_all)


def processes():
    return {path.name for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()}


@pytest.mark.parametrize("script, reason", [
    ("exit 1", "could not be saved"),
    # Says that it dumped, and writes nothing that could be restored.
    ("case $1 in dump) exit 0 ;; *) echo 'Error (criu/x.c:1): no image' >&2; exit 1 ;; esac", "restore: it could not be restored"),
    # Leaves something running, and lies about it.
    ("sleep 4711.25 & [ $1 = dump ] || echo 1 >$5/pid", "reach the processes that were restored"),
])
def test_a_criu_that_fails_leaves_nothing_behind(tmp_path, script, reason):
    path = program(tmp_path / "criu", f'[ "$1" != --version ] || {{ echo Version: 9.9-warren9; exit; }}\n{script}\n')
    scratch = set(pathlib.Path("/tmp").glob("warren-criu.*"))
    assert reason in refused(path)
    assert set(pathlib.Path("/tmp").glob("warren-criu.*")) <= scratch
    for pid in processes():
        with contextlib.suppress(OSError):
            assert b"4711.25" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()


def test_both_need_root():
    for action in ("install", "check"):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", warren.binary(), "criu", action],
                              env=environment(), capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == DENIED and "needs root" in done.stderr


def test_doctor_has_a_row_for_it(built):
    def row(**variables):
        done = subprocess.run([warren.binary(), "doctor", "--json"], env=environment(**variables), capture_output=True, text=True,
                              timeout=60, check=False)
        return next(row for row in json.loads(done.stdout) if row["check"] == "checkpoints")

    good = row(WARREN_CRIU=str(built))
    assert good["status"] == "ok" and BUILD in good["found"] and "works" in good["found"]
    bad = row(WARREN_CRIU="/nonexistent/criu")
    assert bad["status"] == "warn" and "hibernated" in bad["cost"] and "warren criu install" in bad["mend"]


def test_it_may_be_where_a_restore_works(built):
    """/tmp is covered while a sandbox is restored. Everything above the program has to be root's: no tmp_path."""
    with tempfile.TemporaryDirectory(prefix="warren-criu-", dir="/tmp") as top, spare_data.borrowed() as data:
        os.chmod(top, 0o755)
        copy = shutil.copy(built, pathlib.Path(top, "criu"))
        running = warren.Server(data=data, arguments=["--criu", str(copy)]).start()
        try:
            with running.sandbox() as made:
                made.check("echo here >/tmp/here")
                made.pause()
                assert made.detail()["pause"]["level"] == "hibernated"
                made.resume()
                assert made.check("cat /tmp/here") == "here\n"
        finally:
            running.shut_down()


def test_it_may_come_while_the_server_runs(built):
    """What cannot be written to the disk yet is frozen, and written when criu is there: the engine tests it again."""
    with tempfile.TemporaryDirectory(prefix="warren-criu-", dir="/run") as top, spare_data.borrowed() as data:
        later = pathlib.Path(top, "criu")
        running = warren.Server(data=data, arguments=["--criu", str(later)]).start()

        def paused(sandbox):
            sandbox.pause(level="hibernated")
            return sandbox.detail()["pause"]

        try:
            with running.sandbox() as made:
                made.check("echo here >/tmp/here")
                early = paused(made)
                assert early["level"] == "frozen" and str(later) in early["reason"], early
                shutil.copy(built, top + "/new")
                os.rename(top + "/new", later)
                warren.wait_for(lambda: paused(made)["level"] == "hibernated", 120, "it is written to the disk")
                made.resume()
                assert made.check("cat /tmp/here") == "here\n"
        finally:
            running.shut_down()
