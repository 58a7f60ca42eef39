"""Without a domain: plain HTTP, two ports, and the variables that `warren env` prints."""

import e2b
import httpx
import pytest

import guests
from raw import http


@pytest.fixture
def box(plain, monkeypatch):
    """A sandbox of the plain server; the SDK knows the server from the environment only."""
    for name in ("E2B_DOMAIN", "E2B_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in plain.settings(plain.key).items():
        monkeypatch.setenv(name, value)
    with e2b.Sandbox.create(timeout=120) as made:
        yield made


def by_hand(plain, url, **options):
    """A request to a host below localhost, whose address is known -> the answer."""
    host = httpx.URL(url).host
    return http.get(url.replace(f"//{host}", "//127.0.0.1"), headers={"Host": httpx.URL(url).netloc.decode(), **options})


def test_commands_and_files(box):
    assert box.commands.run("echo plain").stdout == "plain\n"
    box.files.write("a", "b")
    assert box.files.read("a") == "b"
    assert [entry.name for entry in box.files.list("/home/user") if entry.name == "a"] == ["a"]
    assert box.is_running()


def test_background_input_and_watch(box, until):
    handle = box.commands.run("cat", background=True, stdin=True)
    box.commands.send_stdin(handle.pid, "x")
    box.commands.close_stdin(handle.pid)
    assert handle.wait().stdout == "x"
    watch = box.files.watch_dir("/home/user")
    box.files.write("seen", "x")
    assert len(watch.get_new_events()) == 3


def test_list_and_info(box):
    assert box.get_info().sandbox_id == box.sandbox_id
    found = e2b.Sandbox.list(e2b.SandboxQuery(state=[e2b.SandboxState.RUNNING]))
    assert box.sandbox_id in [one.sandbox_id for one in found.next_items()]


def test_ports_below_localhost(box, plain):
    guests.start(box, "http_echo.py", 8000)
    assert box.get_host(8000) == f"8000-{box.sandbox_id}.localhost:{plain.ingress_port}"
    answer = by_hand(plain, f"http://{box.get_host(8000)}/x")
    assert answer.status_code == 200 and answer.json()["path"] == "/x"


def test_ports_below_localhost_resolve_with_curl(box):
    import subprocess
    guests.start(box, "http_echo.py", 8000)
    done = subprocess.run(["curl", "-fsS", f"http://{box.get_host(8000)}/y"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and '"/y"' in done.stdout, done


def test_killed(box):
    box.kill()
    assert box.is_running() is False
    with pytest.raises(e2b.TimeoutException):
        box.commands.run("true")


def test_env_command_prints_what_the_sdk_reads(plain, tmp_path):
    done = plain.cli("env", env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert done.code == 0, done
    values = dict(line.removeprefix("export ").split("=", 1) for line in done.out.splitlines() if "=" in line)
    values = {name: value.strip("'\"") for name, value in values.items()}
    assert values["E2B_API_URL"].endswith(f":{plain.api_port}")
    assert values["E2B_SANDBOX_URL"].endswith(f":{plain.ingress_port}")
    assert values["E2B_API_KEY"].startswith("e2b_")
    with e2b.Sandbox.create(timeout=60, api_key=values["E2B_API_KEY"], api_url=values["E2B_API_URL"],
                            sandbox_url=values["E2B_SANDBOX_URL"]) as made:
        assert made.commands.run("echo from env").stdout == "from env\n"
