"""Files: reading and writing in every format, listing, information, renaming, removing, directories, metadata, signed URLs."""

import datetime
import gzip
import io
import os

import e2b
import pytest

from raw import http


def test_write_and_read_text(sandbox, folder):
    info = sandbox.files.write(f"{folder}/a.txt", "Grüße\n")
    assert (info.name, info.type, info.path, info.metadata) == ("a.txt", e2b.FileType.FILE, f"{folder}/a.txt", None)
    assert sandbox.files.read(f"{folder}/a.txt") == "Grüße\n"


@pytest.mark.parametrize("data", [b"", b"\x00\x01\xff\xfe", os.urandom(300_000), b"a" * 5_000_000],
                         ids=["empty", "binary", "random", "large"])
def test_write_and_read_bytes(sandbox, folder, data):
    sandbox.files.write(f"{folder}/b.bin", data)
    assert bytes(sandbox.files.read(f"{folder}/b.bin", format="bytes")) == data


def test_read_as_stream(sdk, sandbox, folder):
    data = os.urandom(3_000_000)
    sandbox.files.write(f"{folder}/stream", data)
    chunks = sdk.read_stream(sandbox, f"{folder}/stream")
    assert b"".join(chunks) == data and len(chunks) > 1


@pytest.mark.parametrize("source", ["file object", "iterator"])
def test_write_a_stream(sdk, sandbox, folder, source):
    data = os.urandom(2_000_000)
    stream = io.BytesIO(data) if source == "file object" else sdk.iterator([data[:70_000], data[70_000:]])
    info = sandbox.files.write(f"{folder}/up", stream)
    assert info.path == f"{folder}/up"
    assert bytes(sandbox.files.read(f"{folder}/up", format="bytes")) == data


@pytest.mark.parametrize("octet", [False, True], ids=["multipart", "octet-stream"])
def test_both_ways_of_uploading(sandbox, folder, octet):
    for text in ("first, longer text", "second"):
        sandbox.files.write(f"{folder}/twice", text, use_octet_stream=octet)
        assert sandbox.files.read(f"{folder}/twice") == text


def test_gzip_both_ways(sandbox, folder):
    text = "compress me " * 100_000
    sandbox.files.write(f"{folder}/zipped", text, gzip=True)
    assert sandbox.files.read(f"{folder}/zipped", gzip=True) == text
    assert sandbox.files.read(f"{folder}/zipped") == text
    assert sandbox.commands.run(f"stat -c %s {folder}/zipped").stdout.strip() == str(len(text))


def test_write_many(sandbox, folder):
    files = [{"path": f"{folder}/many/{index}/file.txt", "data": f"content {index}"} for index in range(25)]
    infos = sandbox.files.write_files(files)
    assert [info.path for info in infos] == [one["path"] for one in files]
    assert [info.name for info in infos] == ["file.txt"] * 25
    for one in files:
        assert sandbox.files.read(one["path"]) == one["data"]


def test_write_many_as_octet_streams(sandbox, folder):
    files = [{"path": f"{folder}/octets/{index}", "data": bytes([index]) * 1000} for index in range(10)]
    assert len(sandbox.files.write_files(files, use_octet_stream=True)) == 10
    assert bytes(sandbox.files.read(f"{folder}/octets/7", format="bytes")) == b"\x07" * 1000


def test_write_nothing(sandbox):
    assert sandbox.files.write_files([]) == []


def test_strange_names(sandbox, folder):
    for name in ("with space", "ünïcode-名前", "per%cent%20", "plus+and&amp;", "quote\"and'apostrophe", "semi;colon", "#hash?query"):
        path = f"{folder}/{name}"
        assert sandbox.files.write(path, name, use_octet_stream=True).path == path
        assert sandbox.files.read(path) == name
        assert sandbox.files.exists(path)
        sandbox.files.remove(path)


def test_paths_are_relative_to_the_home(sandbox):
    assert sandbox.files.write("relative/file", "x").path == "/home/user/relative/file"
    assert sandbox.files.read("/home/user/relative/file") == "x"
    assert sandbox.files.read("~/relative/file") == "x"
    assert sandbox.files.write("of-root", "y", user="root").path == "/root/of-root"
    assert sandbox.files.read("of-root", user="root") == "y"
    assert not sandbox.files.exists("of-root")


def test_owner_and_mode_of_written_files(sandbox, folder):
    sandbox.files.write(f"{folder}/new/dir/file", "x")
    sandbox.files.write(f"{folder}/of-root", "x", user="root")
    out = sandbox.commands.run("stat -c '%U:%G %a' new new/dir new/dir/file of-root", cwd=folder).stdout
    assert out.splitlines() == ["user:user 755", "user:user 755", "user:user 644", "root:root 644"]


def test_overwriting_keeps_nothing(sandbox, folder):
    sandbox.files.write(f"{folder}/f", "a long first content")
    sandbox.files.write(f"{folder}/f", "short")
    assert sandbox.files.read(f"{folder}/f") == "short"


def test_reading_what_is_not_there(sandbox, folder):
    with pytest.raises(e2b.FileNotFoundException, match="does not exist"):
        sandbox.files.read(f"{folder}/nothing")
    with pytest.raises(e2b.InvalidArgumentException, match="is a directory"):
        sandbox.files.read(folder)


def test_writing_over_a_directory(sandbox, folder):
    with pytest.raises(e2b.InvalidArgumentException, match="is a directory"):
        sandbox.files.write(folder, "x")


def test_unknown_user(sandbox, folder):
    with pytest.raises(e2b.AuthenticationException, match="nobody-here"):
        sandbox.files.write(f"{folder}/x", "x", user="nobody-here")
    with pytest.raises(e2b.AuthenticationException, match="nobody-here"):
        sandbox.files.list(folder, user="nobody-here")


def test_proc_files_have_content(sandbox):
    boot_id = sandbox.files.read("/proc/sys/kernel/random/boot_id").strip()
    assert len(boot_id) == 36
    assert sandbox.files.read("/proc/self/comm")


def test_list(sandbox, folder):
    sandbox.files.write(f"{folder}/file", "12345")
    sandbox.files.make_dir(f"{folder}/dir/below")
    sandbox.commands.run("ln -s file link; ln -s nowhere broken", cwd=folder)
    found = {entry.name: entry for entry in sandbox.files.list(folder)}
    assert sorted(found) == ["dir", "file", "link"]
    assert found["file"].type == e2b.FileType.FILE and found["file"].size == 5
    assert found["dir"].type == e2b.FileType.DIR and found["dir"].path == f"{folder}/dir"
    assert found["link"].symlink_target == f"{folder}/file"


def test_list_depth(sandbox, folder):
    sandbox.files.write(f"{folder}/a/b/c/d", "x")
    sandbox.files.write(f"{folder}/z", "x")

    def paths(depth):
        return [entry.path.removeprefix(folder) for entry in sandbox.files.list(folder, depth=depth)]

    assert paths(1) == ["/a", "/z"]
    assert paths(2) == ["/a", "/a/b", "/z"]
    assert paths(9) == ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/z"]
    with pytest.raises(e2b.InvalidArgumentException):
        sandbox.files.list(folder, depth=0)


def test_list_what_cannot_be_listed(sandbox, folder):
    with pytest.raises(e2b.FileNotFoundException):
        sandbox.files.list(f"{folder}/nothing")
    sandbox.files.write(f"{folder}/file", "x")
    with pytest.raises(e2b.InvalidArgumentException, match="not a directory"):
        sandbox.files.list(f"{folder}/file")


def test_exists(sandbox, folder):
    sandbox.files.write(f"{folder}/file", "x")
    assert sandbox.files.exists(f"{folder}/file") is True
    assert sandbox.files.exists(folder) is True
    assert sandbox.files.exists(f"{folder}/nothing") is False


def test_info_of_a_file(sandbox, folder):
    sandbox.files.write(f"{folder}/file", "1234567")
    sandbox.commands.run(f"chmod 640 {folder}/file; touch -d 2024-02-03T04:05:06Z {folder}/file")
    info = sandbox.files.get_info(f"{folder}/file")
    assert (info.name, info.path, info.type, info.size) == ("file", f"{folder}/file", e2b.FileType.FILE, 7)
    assert (info.mode, info.permissions, info.owner, info.group) == (0o640, "-rw-r-----", "user", "user")
    assert info.modified_time == datetime.datetime(2024, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    assert info.symlink_target is None and info.metadata is None


def test_info_of_a_directory_and_a_link(sandbox, folder):
    info = sandbox.files.get_info(folder)
    assert (info.type, info.permissions, info.mode) == (e2b.FileType.DIR, "drwxr-xr-x", 0o755)
    sandbox.commands.run("ln -s /etc/passwd link", cwd=folder)
    link = sandbox.files.get_info(f"{folder}/link")
    assert link.type == e2b.FileType.FILE and link.symlink_target == "/etc/passwd"
    assert link.permissions.startswith("L")


def test_info_of_nothing(sandbox, folder):
    with pytest.raises(e2b.FileNotFoundException):
        sandbox.files.get_info(f"{folder}/nothing")


def test_rename(sandbox, folder):
    sandbox.files.write(f"{folder}/old", "content")
    info = sandbox.files.rename(f"{folder}/old", f"{folder}/sub/new")
    assert (info.name, info.path, info.type) == ("new", f"{folder}/sub/new", e2b.FileType.FILE)
    assert not sandbox.files.exists(f"{folder}/old")
    assert sandbox.files.read(f"{folder}/sub/new") == "content"
    sandbox.files.write(f"{folder}/other", "loses")
    sandbox.files.rename(f"{folder}/sub/new", f"{folder}/other")
    assert sandbox.files.read(f"{folder}/other") == "content"
    with pytest.raises(e2b.FileNotFoundException):
        sandbox.files.rename(f"{folder}/nothing", f"{folder}/anything")


def test_rename_a_directory(sandbox, folder):
    sandbox.files.write(f"{folder}/d/file", "x")
    assert sandbox.files.rename(f"{folder}/d", f"{folder}/e").type == e2b.FileType.DIR
    assert sandbox.files.read(f"{folder}/e/file") == "x"


def test_remove(sandbox, folder):
    sandbox.files.write(f"{folder}/tree/a/b", "x")
    sandbox.files.remove(f"{folder}/tree/a/b")
    assert not sandbox.files.exists(f"{folder}/tree/a/b")
    sandbox.files.remove(f"{folder}/tree")
    assert not sandbox.files.exists(f"{folder}/tree")
    sandbox.files.remove(f"{folder}/tree")


def test_make_dir(sandbox, folder):
    assert sandbox.files.make_dir(f"{folder}/x/y/z") is True
    assert sandbox.files.make_dir(f"{folder}/x/y/z") is False
    assert sandbox.files.get_info(f"{folder}/x/y").owner == "user"
    sandbox.files.write(f"{folder}/file", "x")
    with pytest.raises(e2b.InvalidArgumentException):
        sandbox.files.make_dir(f"{folder}/file")


def test_metadata(sandbox, folder):
    metadata = {"Author": "someone", "note": "a value with spaces, and = signs"}
    expected = {key.lower(): value for key, value in metadata.items()}
    assert sandbox.files.write(f"{folder}/m", "x", metadata=metadata).metadata == expected
    assert sandbox.files.get_info(f"{folder}/m").metadata == expected
    assert [entry.metadata for entry in sandbox.files.list(folder)] == [expected]
    assert sandbox.files.rename(f"{folder}/m", f"{folder}/n").metadata == expected
    sandbox.files.write(f"{folder}/n", "x", metadata={"only": "this"})
    assert sandbox.files.get_info(f"{folder}/n").metadata == {"only": "this"}
    sandbox.files.write(f"{folder}/n", "x")
    assert sandbox.files.get_info(f"{folder}/n").metadata is None


def test_metadata_on_octet_streams_and_many(sandbox, folder):
    sandbox.files.write_files([{"path": f"{folder}/1", "data": "x"}, {"path": f"{folder}/2", "data": "y"}], metadata={"k": "v"})
    sandbox.files.write(f"{folder}/3", b"z", metadata={"k": "v"}, use_octet_stream=True)
    assert [entry.metadata for entry in sandbox.files.list(folder)] == [{"k": "v"}] * 3


def test_metadata_set_inside(sandbox, folder):
    sandbox.files.write(f"{folder}/x", "x")
    sandbox.commands.run(f"python3 -c \"import os; os.setxattr('{folder}/x', 'user.e2b.colour', b'blue')\"")
    assert sandbox.files.get_info(f"{folder}/x").metadata == {"colour": "blue"}


def test_metadata_beyond_the_limit(sandbox, folder):
    with pytest.raises(e2b.InvalidArgumentException, match="metadata"):
        sandbox.files.write(f"{folder}/x", "x", metadata={f"key{index}": "v" * 1000 for index in range(5)})


FILL = """
import os
file, size, at = os.open("/home/user/filler", os.O_CREAT | os.O_WRONLY), 1 << 40, 0
while size >= 4096:
    try:
        os.posix_fallocate(file, at, size)
        at += size
    except OSError:
        size //= 2
"""


def test_disk_full(make):
    sandbox = make(timeout=120)
    sandbox.files.write("/tmp/fill.py", FILL)
    sandbox.commands.run("python3 /tmp/fill.py")
    with pytest.raises(e2b.NotEnoughSpaceException):
        sandbox.files.write("/home/user/more", os.urandom(4 << 20))


def signed_get(sandbox, path, **options):
    return http.get(sandbox.download_url(path, **options))


def test_signed_download(sandbox, folder):
    sandbox.files.write(f"{folder}/file name", "for a browser")
    for options in ({}, {"use_signature_expiration": 60}, {"user": "user"}, {"user": "root", "use_signature_expiration": 60}):
        answer = signed_get(sandbox, f"{folder}/file name", **options)
        assert (answer.status_code, answer.text) == (200, "for a browser")


def test_signed_download_after_its_time(sandbox, folder):
    sandbox.files.write(f"{folder}/f", "x")
    answer = signed_get(sandbox, f"{folder}/f", use_signature_expiration=-10)
    assert answer.status_code == 401 and answer.json()["message"] == "signature is already expired"


def test_signature_covers_path_user_and_time(sandbox, folder):
    sandbox.files.write(f"{folder}/f", "x")
    sandbox.files.write(f"{folder}/g", "secret")
    url = sandbox.download_url(f"{folder}/f", use_signature_expiration=60)
    for changed in (url.replace("%2Ff", "%2Fg").replace("/f&", "/g&"), url + "0", url + "&username=root",
                    url.replace("signature=v1_", "signature=v1_A")):
        answer = http.get(changed)
        assert answer.status_code == 401 and answer.json() == {"code": 401, "message": "invalid signature"}, changed
    bare = http.get(url.split("&signature")[0])
    assert bare.status_code == 401 and bare.json()["message"] == "missing signature query parameter"


def test_signed_upload(sandbox, folder):
    url = sandbox.upload_url(f"{folder}/up", use_signature_expiration=60)
    answer = http.post(url, files={"file": ("ignored-name", b"from a form")})
    assert answer.status_code == 200 and answer.json() == [{"path": f"{folder}/up", "name": "up", "type": "file"}]
    assert sandbox.files.read(f"{folder}/up") == "from a form"
    assert http.post(url, content=b"raw", headers={"Content-Type": "application/octet-stream"}).status_code == 200
    assert sandbox.files.read(f"{folder}/up") == "raw"
    assert http.get(url).status_code == 401


def test_signed_upload_without_a_path(sandbox):
    url = sandbox.upload_url("")
    answer = http.post(url, files={"file": ("uploads/by-form.txt", b"x")})
    assert answer.status_code == 200 and answer.json()[0]["path"] == "/home/user/uploads/by-form.txt"


def test_ranges_of_a_download(sandbox, folder):
    sandbox.files.write(f"{folder}/digits", "0123456789")
    url = sandbox.download_url(f"{folder}/digits")
    part = http.get(url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "234", "bytes 2-4/10")
    assert http.get(url, headers={"Range": "bytes=50-"}).status_code == 416
    whole = http.get(url, headers={"Accept-Encoding": "identity"})
    assert whole.headers["content-length"] == "10" and whole.headers["accept-ranges"] == "bytes"
    again = http.get(url, headers={"If-Modified-Since": whole.headers["last-modified"]})
    assert again.status_code == 304 and again.content == b""


def test_download_negotiates_gzip(sandbox, folder):
    text = "again and again " * 10_000
    sandbox.files.write(f"{folder}/text", text)
    url = sandbox.download_url(f"{folder}/text")
    with http.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(raw).decode() == text
    assert http.get(url, headers={"Accept-Encoding": "identity;q=0, *;q=0"}).status_code == 406


def test_upload_of_a_gzip_body(sandbox, folder):
    url = sandbox.upload_url(f"{folder}/z")
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}
    assert http.post(url, content=gzip.compress(b"inside"), headers=headers).status_code == 200
    assert sandbox.files.read(f"{folder}/z") == "inside"
    broken = http.post(url, content=b"no gzip at all", headers=headers)
    assert broken.status_code >= 400 and isinstance(broken.json()["code"], int)
