"""The command line @e2b/cli with nothing but the E2B_* variables in its environment."""

import json
import os
import re
import subprocess

import e2b
import pytest

# Terminal colours and links.
ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;[^\x07]*\x07")


@pytest.fixture(scope="module")
def cli(served, packages, tmp_path_factory):
    """cli("sandbox", "list", stdin=b"") -> (exit status, standard output, standard error)."""
    home = tmp_path_factory.mktemp("home")
    program = packages / "node/node_modules/@e2b/cli/dist/index.js"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1",
                   "NODE_EXTRA_CA_CERTS": os.environ["NODE_EXTRA_CA_CERTS"], **served.settings(served.key)}

    def run(*arguments, stdin=b"", **more):
        done = subprocess.run(["node", program, *arguments], input=stdin, capture_output=True, timeout=120,
                              env={**environment, **more})
        return done.returncode, ESCAPES.sub("", done.stdout.decode(errors="replace")), done.stderr.decode(errors="replace")

    return run


@pytest.fixture(scope="module")
def box(served):
    with e2b.Sandbox.create(timeout=600, metadata={"made": "for-the-cli"}) as made:
        yield made


def test_cli_create_detached_and_kill(cli):
    code, out, err = cli("sandbox", "create", "--detach", "--timeout", "120", "base")
    assert code == 0, (out, err)
    sandbox_id = re.search(r"\b[a-z0-9]{20,21}\b", out).group(0)
    assert e2b.Sandbox.get_info(sandbox_id).name == "base"
    code, out, err = cli("sandbox", "kill", sandbox_id)
    assert code == 0 and "killed" in out, (out, err)
    with pytest.raises(e2b.SandboxNotFoundException):
        e2b.Sandbox.get_info(sandbox_id)


def test_cli_list(cli, box):
    code, out, err = cli("sandbox", "list", "--format", "json", "--metadata", "made=for-the-cli")
    assert code == 0, (out, err)
    assert [one["sandboxId"] for one in json.loads(out)] == [box.sandbox_id]
    code, out, err = cli("sandbox", "list")
    assert code == 0 and box.sandbox_id in out, (out, err)


def test_cli_info(cli, box):
    code, out, err = cli("sandbox", "info", "--format", "json", box.sandbox_id)
    assert code == 0, (out, err)
    info = json.loads(out)
    assert info["sandboxId"] == box.sandbox_id and info["state"] == "running"
    code, out, err = cli("sandbox", "info", "nonexistingsandbox")
    assert code != 0 and "wasn't found" in err + out


def test_cli_exec(cli, box):
    code, out, err = cli("sandbox", "exec", box.sandbox_id, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (code, out) == (7, "out\n") and err.startswith("err\n")
    code, out, err = cli("sandbox", "exec", "--env", "A=b c", "--cwd", "/tmp", "--user", "root", box.sandbox_id,
                         "sh", "-c", 'echo "$A:$PWD:$(id -un)"')
    assert (code, out) == (0, "b c:/tmp:root\n"), err


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 1_000_000])
def test_cli_exec_with_piped_input(cli, box, size):
    data = os.urandom(size)
    code, out, err = cli("sandbox", "exec", box.sandbox_id, "wc", "-c", stdin=data)
    assert code == 0 and out.strip() == str(size), (out, err)


def test_cli_metrics(cli, box, until):
    until(lambda: box.get_metrics(), "the first sample", 60)
    code, out, err = cli("sandbox", "metrics", "--format", "json", box.sandbox_id)
    assert code == 0 and "cpuUsedPct" in out, (out, err)
    assert cli("sandbox", "metrics", box.sandbox_id)[0] == 0


def test_cli_logs(cli, box):
    code, out, err = cli("sandbox", "logs", box.sandbox_id)
    assert code == 0, (out, err)
    code, out, err = cli("sandbox", "logs", "--format", "json", "--level", "DEBUG", box.sandbox_id)
    assert code == 0, (out, err)
    for line in out.splitlines():
        if line.startswith("{"):
            assert json.loads(line)["level"]


def test_cli_template_list(cli):
    code, out, err = cli("template", "list", "--format", "json")
    assert code == 0, (out, err)
    templates = json.loads(out)
    assert ["base", "code-interpreter-v1"] in [one["aliases"] for one in templates]
    code, out, err = cli("template", "list")
    assert code == 0 and "base" in out, (out, err)


def test_cli_pause_and_resume(cli, served):
    with e2b.Sandbox.create(timeout=120) as made:
        code, out, err = cli("sandbox", "pause", made.sandbox_id)
        assert code == 0, out + err
        assert made.is_running() is False
        code, out, err = cli("sandbox", "resume", made.sandbox_id)
        assert code == 0, out + err
        assert made.is_running()


def test_cli_snapshots(cli, served):
    with e2b.Sandbox.create(timeout=120) as made:
        code, out, err = cli("sandbox", "snapshot", "create", made.sandbox_id)
        assert code == 0, out + err
        code, out, err = cli("sandbox", "snapshot", "list")
        assert code == 0 and ":default" in out, out + err


def test_cli_wrong_key(cli):
    code, out, err = cli("sandbox", "list", E2B_API_KEY="e2b_" + "0" * 40)
    assert code != 0 and re.search("(?i)api key|unauthor|401", out + err)
