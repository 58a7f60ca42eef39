"""`warren key`, `warren team`, `warren env`, and what the keys are good for."""

import json
import os
import re
import socket
import stat
import subprocess

import pytest

import warren
from test_serve import EXISTS, INVALID, NOT_FOUND, PRECONDITION, fake, first_key, get  # noqa: F401

KEY = re.compile(r"e2b_[0-9a-f]{40}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNAVAILABLE = 77


@pytest.fixture
def running(fake, tmp_path):  # noqa: F811
    """A server; its commands keep keys below tmp_path."""
    server = fake().start()
    plain = server.cli
    server.cli = lambda *words, env=None: plain(*words, env={"XDG_CONFIG_HOME": str(tmp_path / "config"), **(env or {})})
    return server


def status_with(server, key):
    return get(server.port("apiUrl"), "/sandboxes", {"X-API-Key": key})[0]


def listed(server):
    done = server.cli("key", "ls", "--json")
    assert done.code == 0, done
    return {entry["id"]: entry for entry in json.loads(done.out)}


def test_create_use_remove(running):
    done = running.cli("key", "create", "--name", "for the build")
    key = done.out.strip()
    assert done.code == 0 and KEY.fullmatch(key), done
    assert status_with(running, key) == 200
    made = next(entry for entry in listed(running).values() if entry["name"] == "for the build")
    assert key not in json.dumps(made) and made["mask"]["maskedValueSuffix"] == key[-4:]
    assert running.cli("key", "rm", made["id"]) == (0, "", "")
    assert status_with(running, key) == 401
    again = running.cli("key", "rm", made["id"])
    assert again.code == NOT_FOUND and made["id"] in again.err and "warren key ls" in again.err


def test_table(running):
    assert running.cli("key", "create", "two words").code == 0
    out = running.cli("key", "ls").out
    assert re.match(r"ID +NAME +KEY +TEAM +AGE +USED\n", out)
    assert re.search(rf"^{UUID.pattern} +two words +e2b_[0-9a-f]{{2}}\.\.\.[0-9a-f]{{4}} +default +\d+ s +never$", out, re.M), out


def test_create_as_json(running):
    done = running.cli("key", "create", "x", "--json")
    made = json.loads(done.out)
    assert KEY.fullmatch(made["key"]) and UUID.fullmatch(made["id"]) and made["name"] == "x"


@pytest.mark.parametrize("words, code, message", [
    (["key", "rm"], INVALID, "the id is missing"),
    (["key", "rm", "../sandboxes"], INVALID, "not the id of a key"),
    (["key", "rm", "00000000-0000-4000-8000-000000000000"], NOT_FOUND, "warren key ls"),
    (["key", "make"], INVALID, "create, ls, rm"),
    (["key", "ls", "x"], INVALID, "too many"),
    (["key", "create", "a", "--name", "b"], INVALID, "twice"),
    (["key", "create", "a\nb"], INVALID, "control character"),
    (["key", "create", "a" * 200], INVALID, "name"),
    (["key", "create", "a", "--team", "none"], NOT_FOUND, "warren team ls"),
    (["team", "create"], INVALID, "the name is missing"),
    (["team", "create", "default"], EXISTS, "default"),
    (["team", "rm"], INVALID, "create, ls"),
    (["team", "ls", "x"], INVALID, "too many"),
    (["env", "--team", "none"], NOT_FOUND, "warren team ls"),
])
def test_wrong_arguments(running, words, code, message):
    done = running.cli(*words)
    assert done.code == code and message in done.err and done.err.startswith("warren: "), done
    assert not done.out


def test_teams(running):
    made = running.cli("team", "create", "Blue Team")
    assert made.code == 0 and UUID.fullmatch(made.out.strip()), made
    for name in ("Blue Team", "blue-team", made.out.strip()):
        assert running.cli("key", "create", f"by {name}", "--team", name).code == 0
    teams = json.loads(running.cli("team", "ls", "--json").out)
    assert [(team["name"], team["isDefault"]) for team in teams] == [("default", True), ("Blue Team", False)]
    assert re.search(r"^\S+ +Blue Team +blue-team", running.cli("team", "ls").out, re.M)
    own = [entry for entry in listed(running).values() if entry["teamID"] == made.out.strip()]
    assert len(own) == 3


def test_ps_shows_teams_when_there_are_several(running):
    assert running.cli("team", "create", "blue").code == 0
    running.request("POST", "/sandboxes", {"templateID": "base", "timeout": 600})
    assert "TEAM" not in running.cli("ps").out
    key = running.cli("key", "create", "x", "--team", "blue").out.strip()
    done = subprocess.run(
        ["curl", "-sf", "-H", f"X-API-Key: {key}", "-d", '{"templateID": "base", "timeout": 600}', f"{running.info()['apiUrl']}/sandboxes"],
        capture_output=True, text=True, timeout=30, check=True)
    made = json.loads(done.stdout)["sandboxID"]
    out = running.cli("ps").out
    assert re.match(r"ID +TEMPLATE +STATE +AGE +LEFT +CPU +MEMORY +TEAM\n", out)
    assert re.search(rf"^{made} +base .* blue$", out, re.M) and re.search(r" default$", out, re.M), out
    assert running.cli("kill", "--all").code == 0
    assert json.loads(running.cli("ps", "--json").out) == []


# ---- env ----


def evaluated(server, tmp_path):
    """What a shell has after eval "$(warren env)"."""
    script = 'eval "$(warren env)" && env'
    (tmp_path / "bin").mkdir(exist_ok=True)
    link = tmp_path / "bin/warren"
    if not link.exists():
        link.symlink_to(os.path.realpath(warren.binary()))
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "WARREN_SOCKET": server.socket, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, timeout=30, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith(("E2B_", "NODE_", "SSL_")))


def test_env_for_a_shell(running, tmp_path):
    found = evaluated(running, tmp_path)
    info = running.info()
    assert set(found) == {"E2B_API_KEY", "E2B_API_URL", "E2B_SANDBOX_URL", "E2B_VOLUME_API_URL"}
    assert found["E2B_API_URL"] == info["apiUrl"] and found["E2B_SANDBOX_URL"] == info["sandboxUrl"]
    assert status_with(running, found["E2B_API_KEY"]) == 200
    assert evaluated(running, tmp_path) == found, "the key is kept"
    assert json.loads(running.cli("env", "--json").out) == found
    assert stat.S_IMODE(os.stat(tmp_path / "config/warren/key.json").st_mode) == 0o600


def test_env_makes_a_new_key_when_the_old_one_is_gone(running):
    first = json.loads(running.cli("env", "--json").out)["E2B_API_KEY"]
    kept = next(entry for entry in listed(running).values() if entry["mask"]["maskedValueSuffix"] == first[-4:])
    assert running.cli("key", "rm", kept["id"]).code == 0
    second = json.loads(running.cli("env", "--json").out)["E2B_API_KEY"]
    assert second != first and status_with(running, second) == 200


def test_env_of_another_team(running):
    blue = running.cli("team", "create", "blue").out.strip()
    keys = {team: json.loads(running.cli("env", "--json", "--team", team).out)["E2B_API_KEY"] for team in ("default", "blue")}
    assert len(set(keys.values())) == 2
    assert [entry["teamID"] for entry in listed(running).values() if entry["mask"]["maskedValueSuffix"] == keys["blue"][-4:]] == [blue]


def test_env_with_a_damaged_file(running, tmp_path):
    path = tmp_path / "config/warren/key.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    done = running.cli("env")
    assert done.code == PRECONDITION and "key.json" in done.err and "remove it" in done.err
    assert path.read_text() == "{}"


def test_env_without_a_server(tmp_path):
    done = subprocess.run([warren.binary(), "env", "--socket", f"{tmp_path}/none"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == UNAVAILABLE and "warren serve" in done.stderr


def test_env_with_a_server_that_nobody_reaches(fake, tmp_path):  # noqa: F811
    server = fake("--private").start()
    done = server.cli("env", env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert done.code == PRECONDITION and "no TCP listener" in done.err


def test_env_with_a_domain(fake, tmp_path):  # noqa: F811
    tls = tmp_path / "tls"
    subprocess.run([warren.binary(), "dev-cert", "--domain", "sbx.test", "--out", str(tls)], check=True, capture_output=True)
    server = fake("--domain", "sbx.test", "--listen", "127.0.0.1:0", "--tls-cert", f"{tls}/sbx.test.pem",
                  "--tls-key", f"{tls}/sbx.test.key").start()
    found = json.loads(server.cli("env", "--json", env={"XDG_CONFIG_HOME": str(tmp_path)}).out)
    assert found.pop("E2B_API_KEY")
    assert found == {"E2B_DOMAIN": "sbx.test", "NODE_EXTRA_CA_CERTS": f"{tls}/ca.pem", "SSL_CERT_FILE": f"{tls}/bundle.pem"}


# ---- dev-cert ----


def test_dev_cert_files(tmp_path):
    def make(domain="sbx.test"):
        done = subprocess.run([warren.binary(), "dev-cert", "--domain", domain, "--out", str(tmp_path)], capture_output=True,
                              text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    code, text = make()
    assert code == 0 and f"authority    {tmp_path}/ca.pem (new)" in text
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "sbx.test.pem": 0o644, "sbx.test.key": 0o600, "bundle.pem": 0o644}
    authority, leaf = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "sbx.test.pem").read_bytes()
    assert make()[0] == 0 and make("other.test")[0] == 0
    assert (tmp_path / "ca.pem").read_bytes() == authority and (tmp_path / "sbx.test.pem").read_bytes() != leaf
    assert (tmp_path / "bundle.pem").read_bytes().endswith(authority)
    for domain in ("ca", "bundle", "localhost", "Sbx.test", "../x", "10.0.0.1", "a/b"):
        assert make(domain)[0] == INVALID
    (tmp_path / "ca.key").unlink()
    code, text = make()
    assert code == PRECONDITION and "ca.pem is there without ca.key" in text


@pytest.mark.parametrize("purpose", ["sslserver"])
def test_dev_cert_is_good_for_openssl(tmp_path, purpose):
    subprocess.run([warren.binary(), "dev-cert", "--domain", "sbx.test", "--out", str(tmp_path)], check=True, capture_output=True)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(tmp_path / "ca.pem")]
    for name in ("api.sbx.test", "49983-abcdefghij0123456789.sbx.test", "localhost"):
        subprocess.run([*verify, "-verify_hostname", name, str(tmp_path / "sbx.test.pem")], check=True, capture_output=True)
    assert subprocess.run([*verify, "-verify_hostname", "sbx.example", str(tmp_path / "sbx.test.pem")],
                          capture_output=True, check=False).returncode != 0


def test_dev_cert_is_good_for_python_and_node(fake, tmp_path):  # noqa: F811
    """The handshake of both, against a server that uses it."""
    tls = tmp_path / "tls"
    subprocess.run([warren.binary(), "dev-cert", "--domain", "sbx.test", "--out", str(tls)], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = fake("--domain", f"sbx.test:{port}", "--listen", f"127.0.0.1:{port}", "--tls-cert", f"{tls}/sbx.test.pem",
                  "--tls-key", f"{tls}/sbx.test.key").start()
    env = json.loads(server.cli("env", "--json", env={"XDG_CONFIG_HOME": str(tmp_path)}).out)
    python = ("import urllib.request, ssl; print(urllib.request.urlopen('https://localhost:%d/health', "
              "context=ssl.create_default_context()).status)" % port)
    node = "fetch('https://localhost:%d/health').then(r => console.log(r.status), e => { console.error(e); process.exit(1) })" % port
    for command in (["/usr/bin/python3", "-c", python], ["node", "-e", node]):
        done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.strip().isdigit() or "HTTP Error" in done.stderr, done
    refused = subprocess.run(["/usr/bin/python3", "-c", python], env={**os.environ, "SSL_CERT_FILE": "/dev/null"},
                             capture_output=True, text=True, timeout=60, check=False)
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
