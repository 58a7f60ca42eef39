"""Volumes with the Python SDK: their life, their files from outside, and sandboxes that share them."""

import io
import os
import uuid

import e2b
import pytest

NOBODY = "00000000-0000-4000-8000-000000000000"


def fresh_name():
    return f"v-{uuid.uuid4().hex}"


@pytest.fixture
def volume(sdk):
    """A volume of the test's own."""
    made = sdk.Volume.create(fresh_name())
    yield made
    sdk.Volume.destroy(made.volume_id)


@pytest.fixture(scope="module")
def kept(sdk):
    """A volume that the tests of files share; each has a directory in it."""
    made = sdk.Volume.create(fresh_name())
    yield made
    assert sdk.Volume.destroy(made.volume_id) is True


@pytest.fixture
def place(kept, request):
    """A directory of this test in the shared volume."""
    path = f"/{request.node.name.split('[')[0]}"
    kept.make_dir(path)
    yield path
    kept.remove(path)


def test_life_of_a_volume(sdk):
    name = fresh_name()
    made = sdk.Volume.create(name)
    assert made.name == name and uuid.UUID(made.volume_id)
    assert (made.volume_id, name) in [(one.volume_id, one.name) for one in sdk.Volume.list()]
    info = sdk.Volume.get_info(made.volume_id)
    assert info.name == name and info.token
    again = sdk.Volume.connect(made.volume_id)
    assert again.name == name and again.volume_id == made.volume_id
    made.write_file("/x", "from the first")
    assert again.read_file("/x") == "from the first"
    assert sdk.Volume.destroy(made.volume_id) is True
    assert sdk.Volume.destroy(made.volume_id) is False
    assert made.volume_id not in [one.volume_id for one in sdk.Volume.list()]


def test_errors_have_the_sdks_classes(sdk, volume):
    with pytest.raises(e2b.exceptions.VolumeException, match=f"400.*Volume with name '{volume.name}' already exists"):
        sdk.Volume.create(volume.name)
    with pytest.raises(e2b.exceptions.VolumeException, match="400.*Invalid volume name"):
        sdk.Volume.create("no spaces")
    with pytest.raises(e2b.exceptions.VolumeNotFoundException):
        sdk.Volume.connect(NOBODY)
    with pytest.raises(e2b.exceptions.VolumePathNotFoundException):
        volume.get_info("/nothing")
    with pytest.raises(e2b.exceptions.VolumePathNotFoundException):
        volume.read_file("/nothing")
    with pytest.raises(e2b.exceptions.VolumePathNotFoundException):
        volume.list("/nothing")
    with pytest.raises(e2b.exceptions.VolumePathNotFoundException):
        volume.remove("/nothing")


def test_another_teams_volume_does_not_exist(sdk, volume, served):
    theirs = sdk.Volume.create(volume.name, api_key=served.other_key)
    try:
        assert theirs.volume_id != volume.volume_id
        assert volume.volume_id not in [one.volume_id for one in sdk.Volume.list(api_key=served.other_key)]
        with pytest.raises(e2b.exceptions.VolumeNotFoundException):
            sdk.Volume.get_info(volume.volume_id, api_key=served.other_key)
        assert sdk.Volume.destroy(volume.volume_id, api_key=served.other_key) is False
        # Neither does a token of theirs open it.
        with pytest.raises(e2b.exceptions.AuthenticationException):
            volume.list("/", token=theirs.token)
        theirs.write_file("/x", "theirs")
        assert volume.exists("/x") is False
    finally:
        sdk.Volume.destroy(theirs.volume_id, api_key=served.other_key)


# ---- files ----

def test_text_bytes_and_streams(sdk, kept, place):
    data = os.urandom(3_000_000)
    stat = kept.write_file(f"{place}/bytes", data)
    assert stat.size == len(data) and stat.name == "bytes" and stat.path == f"{place}/bytes" and stat.type.value == "file"
    assert bytes(kept.read_file(f"{place}/bytes", format="bytes")) == data
    assert b"".join(sdk.read_volume(kept, f"{place}/bytes")) == data
    kept.write_file(f"{place}/text", "grüße\n")
    assert kept.read_file(f"{place}/text") == "grüße\n"
    kept.write_file(f"{place}/io", io.BytesIO(data))
    assert bytes(kept.read_file(f"{place}/io", format="bytes")) == data
    kept.write_file(f"{place}/empty", b"")
    assert kept.read_file(f"{place}/empty") == ""


def test_names_of_all_kinds(kept, place):
    for name in ("a b", "ä&=?#%2F", "-rf", "x\ny", "'quoted\""):
        kept.write_file(f"{place}/{name}", name)
        assert kept.read_file(f"{place}/{name}") == name
    assert len(kept.list(place)) == 5


def test_force_overwrites_and_makes_parents(kept, place):
    kept.write_file(f"{place}/x", "old")
    with pytest.raises(e2b.exceptions.VolumeException, match="409"):
        kept.write_file(f"{place}/x", "new", force=False)
    assert kept.read_file(f"{place}/x") == "old"
    kept.write_file(f"{place}/x", "new", force=True)
    assert kept.read_file(f"{place}/x") == "new"
    with pytest.raises(e2b.exceptions.VolumePathNotFoundException):
        kept.write_file(f"{place}/no/parent", "x", force=False)
    kept.write_file(f"{place}/some/parent/x", "x", force=True)
    assert kept.read_file(f"{place}/some/parent/x") == "x"


def test_directories(kept, place):
    made = kept.make_dir(f"{place}/one")
    assert made.type.value == "directory" and made.name == "one"
    with pytest.raises(e2b.exceptions.VolumeException, match="409"):
        kept.make_dir(f"{place}/one")
    with pytest.raises(e2b.exceptions.VolumePathNotFoundException):
        kept.make_dir(f"{place}/a/b/c")
    kept.make_dir(f"{place}/a/b/c", force=True)
    kept.write_file(f"{place}/a/b/file", "x")
    assert [one.name for one in kept.list(place)] == ["a", "one"]
    assert sorted(one.path for one in kept.list(place, depth=3)) == [
        f"{place}/a", f"{place}/a/b", f"{place}/a/b/c", f"{place}/a/b/file", f"{place}/one"]
    kept.remove(f"{place}/a")
    assert kept.exists(f"{place}/a") is False and kept.exists(f"{place}/one") is True


def test_metadata(kept, place):
    kept.write_file(f"{place}/x", "x", uid=1000, gid=1000, mode=0o640)
    stat = kept.get_info(f"{place}/x")
    assert (stat.uid, stat.gid, stat.mode & 0o7777) == (1000, 1000, 0o640)
    changed = kept.update_metadata(f"{place}/x", mode=0o600, uid=7)
    assert (changed.uid, changed.gid, changed.mode & 0o7777) == (7, 1000, 0o600)
    assert stat.mtime.timestamp() > 1e9 and stat.size == 1


# ---- sandboxes ----

def test_two_sandboxes_exchange_files(sdk, volume, make):
    writer = make(timeout=120, volume_mounts={"/mnt/shared": volume})
    reader = make(timeout=120, volume_mounts={"/data": volume.name})
    assert "/mnt/shared" in writer.commands.run("mount").stdout
    writer.commands.run("echo hello > /mnt/shared/message && mkdir /mnt/shared/d")
    assert reader.commands.run("cat /data/message").stdout == "hello\n"
    reader.commands.run("mv /data/message /data/d/moved")
    assert writer.files.read("/mnt/shared/d/moved") == "hello\n"
    assert volume.read_file("/d/moved") == "hello\n"
    # Owners are the same everywhere.
    owners = {one.commands.run(f"stat -c %u:%g {path}").stdout for one, path in
              ((writer, "/mnt/shared/d/moved"), (reader, "/data/d/moved"))}
    assert owners == {"1000:1000\n"}
    stat = volume.get_info("/d/moved")
    assert (stat.uid, stat.gid) == (1000, 1000)


def test_files_from_outside_can_be_used_inside(sdk, volume, make):
    volume.write_file("/in/put", "for you", force=True)
    sandbox = make(timeout=120, volume_mounts={"/data": volume})
    assert sandbox.commands.run("cat /data/in/put && echo more >> /data/in/put && rm /data/in/put && rmdir /data/in").exit_code == 0
    assert volume.list("/") == []


def test_data_survives_the_sandbox(sdk, volume):
    first = sdk.Sandbox.create(timeout=120, volume_mounts={"/data": volume})
    first.commands.run("echo kept > /data/file")
    with pytest.raises(e2b.exceptions.VolumeException, match=f"409.*{first.sandbox_id}"):
        sdk.Volume.destroy(volume.volume_id)
    first.kill()
    second = sdk.Sandbox.create(timeout=120, volume_mounts={"/elsewhere": volume})
    try:
        assert second.commands.run("cat /elsewhere/file").stdout == "kept\n"
    finally:
        second.kill()
    assert sdk.Volume.destroy(volume.volume_id) is True


def test_mounts_are_shown(sdk, volume, make):
    sandbox = make(timeout=120, volume_mounts={"/data": volume})
    mounts = sandbox.get_info().volume_mounts
    assert [(one["name"], one["path"]) for one in mounts] == [(volume.name, "/data")]


def test_bad_mounts_are_refused(sdk, volume):
    with pytest.raises(e2b.SandboxException, match="400.*invalid mounts:\n\t- volume mount #0: volume 'nobodys' not found"):
        sdk.Sandbox.create(volume_mounts={"/data": "nobodys"})
    with pytest.raises(e2b.SandboxException, match="volume mount #0: path must be absolute"):
        sdk.Sandbox.create(volume_mounts={"data": volume})
    with pytest.raises(e2b.SandboxException, match="volume mount #1: path '/a' and path '/a/b' lie in each other|volume mount #1"):
        sdk.Sandbox.create(volume_mounts={"/a/b": volume, "/a": volume})


def test_a_large_file_is_streamed_both_ways(sdk, volume, make):
    data = os.urandom(1 << 20) * 40
    volume.write_file("/large", data)
    sandbox = make(timeout=120, volume_mounts={"/data": volume})
    assert sandbox.commands.run("stat -c %s /data/large").stdout == f"{len(data)}\n"
    assert b"".join(sdk.read_volume(volume, "/large")) == data
