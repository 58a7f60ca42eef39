"""`warren serve`: settings and where they come from, listeners, the first key, the word to systemd, the end.

What needs no isolation runs on the fake driver, with a data directory of its own."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess

import pytest

import warren

INVALID, NOT_FOUND, EXISTS, PRECONDITION = 66, 68, 69, 72
EXAMPLE = warren.REPOSITORY / "deploy/warren.conf"


class FakeServer(warren.Server):
    """Sandboxes without isolation; its standard output and its log are kept apart."""

    def __init__(self, directory, *arguments, tcp=True):
        listeners = ["--api-listen", "127.0.0.1:0", "--ingress-listen", "127.0.0.1:0"] if tcp else []
        data = pathlib.Path(directory, "data")
        data.mkdir(exist_ok=True)
        # The server, which is not root, goes through the directories above its own.
        for parent in [parent for parent in data.parents if str(parent).startswith("/tmp/")]:
            os.chmod(parent, stat.S_IMODE(os.stat(parent).st_mode) | 0o111)
        super().__init__(data=str(data), arguments=["--fake", *listeners, *arguments])
        self.out_path = f"{self.run_dir}/out"

    def start(self, *extra, preexec=None, env=None):
        os.chmod(self.run_dir, 0o711)
        with open(self.log_path, "ab") as log, open(self.out_path, "ab") as out:
            self.process = subprocess.Popen(self.command(*extra), stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            env={**os.environ, **(env or {})}, preexec_fn=preexec, start_new_session=True)
        warren.wait_for(lambda: self.process.poll() is not None or self.healthy(), 60, "the server answers")
        assert self.process.poll() is None, f"the server ended: {self.log()}"
        return self

    def out(self):
        return pathlib.Path(self.out_path).read_text()

    def info(self):
        return self.request("GET", "/version")

    def port(self, what):
        return int(self.info()[what].rpartition(":")[2])

    def end(self):
        if self.process and self.process.poll() is None:
            self.terminate()
        self.own_run_dir.cleanup()


@pytest.fixture
def fake(tmp_path):
    """Makes servers that end with the test: fake("--option")."""
    with contextlib.ExitStack() as stack:
        def make(*arguments, **options):
            server = FakeServer(tmp_path, *arguments, **options)
            stack.callback(server.end)
            return server
        yield make


def get(port, path, headers=None, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# ---- settings ----


def check_config(*arguments, env=None):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
    done = subprocess.run([warren.binary(), "serve", "--check-config", *arguments], env={**clean, **(env or {})},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def settings(text):
    """{name: (value, origin)} of what --check-config prints."""
    found = re.findall(r"^([a-z-]+) = (.*?)\s+# (.*)$", text, re.M)
    return {name: (value, origin) for name, value, origin in found}


def test_defaults_are_shown():
    code, out, err = check_config("--config", "/dev/null")
    shown = settings(out)
    assert code == 0 and not err, (code, err)
    assert shown["api-listen"] == ("127.0.0.1:3000", "default")
    assert shown["ingress-listen"] == ("127.0.0.1:3002", "default")
    assert shown["data-dir"] == ("/var/lib/warren", "default")
    assert shown["domain"] == ("", "default")
    assert not set(shown) & {"check-config", "fake", "ready-fd", "private", "config"}


def test_every_setting_is_in_the_help():
    text = subprocess.run([warren.binary(), "serve", "--help"], capture_output=True, text=True, check=True).stdout
    for name in settings(check_config("--config", "/dev/null")[1]):
        assert f"--{name}" in text


def test_option_before_environment_before_file(tmp_path):
    conf = tmp_path / "w.conf"
    conf.write_text("timeout-max = 2h\nlog-level = warn\n\nmax-connections = 7 # few\nlenient = yes\n")
    env = {"WARREN_TIMEOUT_MAX": "3h", "WARREN_LOG_LEVEL": "error", "WARREN_CONFIG": str(conf), "WARREN_SOCKET": "/run/x/s"}
    code, out, err = check_config("--timeout-max", "4h", env=env)
    shown = settings(out)
    assert code == 0, err
    assert shown["timeout-max"] == ("4h", "option --timeout-max")
    assert shown["log-level"] == ("error", "WARREN_LOG_LEVEL")
    assert shown["max-connections"] == ("7", f"{conf}:4: max-connections")
    assert shown["lenient"] == ("yes", f"{conf}:5: lenient")
    assert shown["socket"] == ("/run/x/s", "WARREN_SOCKET")
    assert settings(check_config("--config", "/dev/null", "--lenient=no", "-v", env=env)[1])["log-level"][0] == "debug"


def test_printed_settings_are_a_file(tmp_path):
    conf = tmp_path / "w.conf"
    code, out, err = check_config("--config", "/dev/null", "--rate-creates", "5", "--domain", "sbx.test", "--log-format", "json")
    assert code == 0, err
    conf.write_text(out)
    code, again, err = check_config("--config", str(conf))
    assert code == 0, err
    assert {name: value for name, (value, _) in settings(again).items()} == {name: value for name, (value, _) in settings(out).items()}


@pytest.mark.parametrize("text, message", [
    ("nonsense", ":1: \"nonsense\" is no setting"),
    ("api-listen = 127.0.0.1:1\nno-such = 1", ":2: there is no setting \"no-such\""),
    ("timeout-max = soon", ":1: timeout-max: \"soon\" is not a duration"),
    ("timeout-max = 1s", ":1: timeout-max: 1s is out of range"),
    ("log-level = loud", ":1: log-level: \"loud\" is none of debug|info|warn|error"),
    ("lenient = maybe", ":1: lenient: \"maybe\""),
    ("lenient = no\nlenient = yes", ":2: lenient was set in line 1"),
    ("check-config = yes", ":1: there is no setting"),
    ("api-listen = everywhere", "api-listen: \"everywhere\" is not an address"),
    ("domain = Sbx.Test", "domain: \"Sbx.Test\""),
    ("listen = 127.0.0.1:1", "listen: without the setting domain"),
    ("socket = here.sock", "not an absolute path"),
])
def test_wrong_settings(tmp_path, text, message):
    conf = tmp_path / "w.conf"
    conf.write_text(text + "\n")
    code, _, err = check_config("--config", str(conf))
    assert code == INVALID and message in err, (code, err)


def test_wrong_environment_and_file_name(tmp_path):
    code, _, err = check_config("--config", "/dev/null", env={"WARREN_MAX_CONNECTIONS": "0"})
    assert code == INVALID and "WARREN_MAX_CONNECTIONS: 0 is out of range (from 1 to 65536)" in err
    code, _, err = check_config("--config", str(tmp_path / "missing"))
    assert code == NOT_FOUND and "missing" in err


def test_a_wrong_file_does_not_stop_the_help(tmp_path):
    conf = tmp_path / "w.conf"
    conf.write_text("nonsense\n")
    env = {**os.environ, "WARREN_CONFIG": str(conf)}
    assert subprocess.run([warren.binary(), "help"], env=env, capture_output=True, check=False).returncode == 0
    done = subprocess.run([warren.binary(), "ps"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == INVALID and f"{conf}:1" in done.stderr


def test_commands_find_the_server_by_the_file(server, tmp_path):
    conf = tmp_path / "w.conf"
    conf.write_text(f"socket = {server.socket}\nlog-level = nothing that `ps` reads\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
    done = subprocess.run([warren.binary(), "ps", "--config", str(conf)], env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("ID "), done


def test_the_example_holds_every_setting_with_its_default(tmp_path):
    """With all its lines active nothing changes, and no setting is missing."""
    conf = tmp_path / "w.conf"
    conf.write_text(re.sub(r"^#(?=[a-z-]+ =)", "", EXAMPLE.read_text(), flags=re.M))
    code, out, err = check_config("--config", str(conf))
    assert code == 0, err
    defaults = settings(check_config("--config", "/dev/null")[1])
    active = settings(out)
    assert {name: value for name, (value, _) in active.items()} == {name: value for name, (value, _) in defaults.items()}
    assert {origin.partition(":")[0] for _, origin in active.values()} == {str(conf)}


def test_the_example_changes_nothing_as_it_is():
    code, out, err = check_config("--config", str(EXAMPLE))
    assert code == 0, err
    assert {origin for _, origin in settings(out).values()} == {"default"}


def certificate(directory, domain="sbx.test"):
    subprocess.run([warren.binary(), "dev-cert", "--domain", domain, "--out", str(directory)], check=True, capture_output=True)
    return ["--tls-cert", f"{directory}/{domain}.pem", "--tls-key", f"{directory}/{domain}.key"]


def test_certificate_and_key_have_to_match(tmp_path):
    good = certificate(tmp_path / "one")
    other = certificate(tmp_path / "two")
    base = ["--config", "/dev/null", "--domain", "sbx.test"]
    assert check_config(*base, *good)[0] == 0
    code, _, err = check_config(*base, *good[:2], *other[2:])
    assert code in (INVALID, PRECONDITION) and "tls-cert and tls-key" in err, (code, err)
    code, _, err = check_config(*base, *good[:2])
    assert code == INVALID and "the other is missing" in err
    code, _, err = check_config(*base, "--tls-cert", good[1], "--tls-key", good[1])
    assert code in (INVALID, PRECONDITION), err
    code, _, err = check_config("--config", "/dev/null", *good)
    assert code == INVALID and "without the setting domain" in err


# ---- listeners ----


def test_two_listeners(fake):
    server = fake().start()
    info = server.info()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", info["apiUrl"]) and info["tls"] is False
    assert get(server.port("apiUrl"), "/sandboxes")[0] == 401
    assert get(server.port("apiUrl"), "/health")[0] == 200
    status, body = get(server.port("sandboxUrl"), "/sandboxes")
    assert status != 200 and b"sandboxID" not in body, "the ingress is not the control API"


def test_off(fake):
    server = fake("--api-listen", "off").start()
    assert "apiUrl" not in server.info() and "sandboxUrl" in server.info()


def test_private_server_has_no_tcp_listener(fake):
    server = fake("--private").start(env={"WARREN_API_LISTEN": "127.0.0.1:0"})
    assert not {"apiUrl", "sandboxUrl", "domain"} & set(server.info())
    assert "The first API key" not in server.out()
    inodes = set(re.findall(r"socket:\[(\d+)\]", " ".join(warren.descriptors(server.process.pid).values())))
    listening = [line.split() for name in ("tcp", "tcp6") for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    assert not [line for line in listening if line[9] in inodes]


def test_address_that_is_taken(fake):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server = fake("--api-listen", address)
        done = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == EXISTS
    assert f"api-listen: another program listens on {address}" in done.stderr


def test_warning_without_tls(fake):
    server = fake("--api-listen", "0.0.0.0:0", "--ingress-listen", "off").start()
    assert "without TLS" in server.full_log()
    assert server.info()["apiUrl"].startswith("http://127.0.0.1:")
    assert get(server.port("apiUrl"), "/sandboxes")[0] == 401


def test_no_warning_on_loopback(fake):
    assert "without TLS" not in fake().start().full_log()


def test_ipv6(fake):
    server = fake("--api-listen", "[::1]:0").start()
    assert server.info()["apiUrl"].startswith("http://[::1]:")
    assert get(server.port("apiUrl"), "/sandboxes", host="::1")[0] == 401


def test_own_directory_of_the_server(server):
    """Root's data directory lets the server through to its own directory and nowhere else."""
    data = pathlib.Path(server.data)
    assert stat.S_IMODE(os.stat(data).st_mode) == 0o711
    own = os.stat(data / "server")
    assert stat.S_IMODE(own.st_mode) == 0o700 and own.st_uid not in (0, 65534)
    others = [entry for entry in os.scandir(data) if entry.name != "server"]
    for entry in others:
        state = entry.stat(follow_symlinks=False)
        assert state.st_uid == 0 and stat.S_IMODE(state.st_mode) & 0o077 == 0, f"{entry.name}: {oct(state.st_mode)}"
    for name in os.listdir(data / "server"):
        state = os.stat(data / "server" / name)
        assert state.st_uid == own.st_uid and stat.S_IMODE(state.st_mode) & 0o077 == 0, name


def test_directory_that_the_server_cannot_reach(fake, tmp_path):
    server = fake()
    os.chmod(tmp_path, 0o700)
    done = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, check=False)
    os.chmod(tmp_path, 0o711)
    assert done.returncode == PRECONDITION and f"{tmp_path}/data/server" in done.stderr and "chmod o+x" in done.stderr


# ---- the first key, and what is printed ----


def first_key(text):
    return re.findall(r"export E2B_API_KEY=(e2b_[0-9a-f]{40})$", text, re.M)


def test_first_key_is_shown_once(fake):
    server = fake("--log-format", "json", "--log-level", "debug").start()
    keys = first_key(server.out())
    assert len(keys) == 1
    assert f"export E2B_API_URL={server.info()['apiUrl']}\n" in server.out()
    assert f"export E2B_SANDBOX_URL={server.info()['sandboxUrl']}\n" in server.out()
    assert get(server.port("apiUrl"), "/sandboxes", {"X-API-Key": keys[0]})[0] == 200
    for line in server.full_log().splitlines():
        assert json.loads(line)["component"] in ("server", "engine")
    server.terminate()
    server.start()
    assert first_key(server.out()) == keys
    assert keys[0] not in server.full_log(), "a key in the log"
    assert get(server.port("apiUrl"), "/sandboxes", {"X-API-Key": keys[0]})[0] == 200


def test_printed_program_is_python(fake):
    server = fake().start()
    program = server.out().partition("in Python:\n")[2]
    compile(program, "how to", "exec")
    assert len(program.strip().splitlines()) == 3


def test_no_key_without_control_api(fake):
    assert "API key" not in fake("--api-listen", "off").start().out()


def test_no_secret_in_the_log(fake, tmp_path):
    arguments = certificate(tmp_path / "tls")
    server = fake("--domain", "sbx.test", "--listen", "127.0.0.1:0", "--log-level", "debug", *arguments).start()
    key = pathlib.Path(arguments[3]).read_text().splitlines()[1]
    assert key not in server.full_log() + server.out()
    info = server.info()
    assert info["domain"] == "sbx.test" and info["tls"] is True and info["apiUrl"] == "https://api.sbx.test"
    assert info["caFile"] == str(tmp_path / "tls/ca.pem")
    assert "export E2B_DOMAIN=sbx.test\n" in server.out() and f"SSL_CERT_FILE={tmp_path}/tls/bundle.pem\n" in server.out()


# ---- systemd ----


def test_readiness_is_told(fake, tmp_path):
    path = f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(20)
        server = fake().start(env={"NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1"
        assert get(server.port("apiUrl"), "/health")[0] == 200


def test_unit_names_what_there_is():
    text = (warren.REPOSITORY / "deploy/systemd/warren.service").read_text()
    command = re.search(r"^ExecStart=/usr/local/bin/warren (.*)$", text, re.M).group(1)
    done = subprocess.run([warren.binary(), *command.split(), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for line in ("Type=notify", "Delegate=yes", "KillMode=process", "StandardOutput=null"):
        assert f"\n{line}\n" in text


# ---- the end ----


def half_a_request(server, body):
    """A creation whose body is not complete yet."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(server.socket)
    head = f"POST /sandboxes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[:5])
    warren.wait_for(lambda: server.healthy(), 20)  # a request behind it was served: the head was read
    return connection


def test_running_requests_get_their_answers(fake):
    server = fake().start()
    body = json.dumps({"templateID": "base", "timeout": 60}).encode()
    connection = half_a_request(server, body)
    server.process.send_signal(signal.SIGTERM)
    warren.wait_for(lambda: not server.healthy(), 20, "nothing new is accepted")
    assert server.process.poll() is None
    connection.sendall(body[5:])
    answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 201 "), answer
    connection.close()
    assert server.process.wait(20) == 0


def test_the_wait_for_requests_has_an_end(fake):
    server = fake().start()
    connection = half_a_request(server, b'{"templateID": "base"}')
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    assert "took too long" in server.full_log()
    connection.close()


def test_a_second_signal_ends_at_once(fake):
    server = fake().start()
    connection = half_a_request(server, b'{"templateID": "base"}')
    server.process.send_signal(signal.SIGTERM)
    warren.wait_for(lambda: not server.healthy(), 20)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert "took too long" not in server.full_log()
    connection.close()


def test_idle_connections_do_not_delay_the_end(fake):
    server = fake().start()
    with socket.create_connection(("127.0.0.1", server.port("apiUrl"))) as idle:
        server.terminate()
        assert server.process.returncode == 0 and "took too long" not in server.full_log()
        assert idle.recv(100) == b""
