"""Volumes without a domain: the SDK finds their files by E2B_VOLUME_API_URL."""

import uuid

import e2b
import pytest


@pytest.fixture
def environment(plain, monkeypatch):
    for name, value in plain.settings(plain.key).items():
        monkeypatch.setenv(name, value)


def test_files_of_a_volume(plain, environment):
    made = e2b.Volume.create(f"plain-{uuid.uuid4().hex}")
    try:
        made.write_file("/dir/file", "plain", force=True)
        with e2b.Sandbox.create(timeout=60, volume_mounts={"/data": made}) as sandbox:
            assert sandbox.commands.run("cat /data/dir/file").stdout == "plain"
            sandbox.commands.run("echo more >> /data/dir/file")
        assert made.read_file("/dir/file") == "plainmore\n"
        assert [one.name for one in made.list("/")] == ["dir"]
    finally:
        assert e2b.Volume.destroy(made.volume_id) is True


def test_env_command_says_where_files_are(plain, tmp_path):
    done = plain.cli("env", env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert f"export E2B_VOLUME_API_URL=http://127.0.0.1:{plain.api_port}" in done.out
