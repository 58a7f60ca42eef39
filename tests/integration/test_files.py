"""Files of gigabytes go through server and agent, and neither grows by them."""

import contextlib
import gzip
import json
import re
import threading
import zlib

import warren

GIB = 1 << 30
MIB = 1 << 20
ZEROS = bytes(MIB)
AGENT_MAX = 8 * MIB   # resident, of an agent that carries one transfer
SERVER_GROWTH = 8 * MIB


def peak(pid):
    """Highest resident memory so far, bytes."""
    return int(re.search(r"^VmHWM:\s+(\d+) kB", warren.proc_read(pid, "status"), re.M).group(1)) * 1024


@contextlib.contextmanager
def bounded(server, sandbox):
    """What is done inside leaves the agent below its bound and the server about where it was."""
    pid, before = server.process.pid, peak(server.process.pid)
    yield
    assert peak(sandbox.agent_pid()) < AGENT_MAX
    assert peak(pid) - before < SERVER_GROWTH


def headers(sandbox, **more):
    found = {"E2b-Sandbox-Id": sandbox.id, "E2b-Sandbox-Port": str(warren.AGENT_PORT)}
    if sandbox.info.get("envdAccessToken"):
        found["X-Access-Token"] = sandbox.info["envdAccessToken"]
    return {**found, **{name.replace("_", "-"): value for name, value in more.items()}}


def get(sandbox, path, **more):
    """(status, headers, count of bytes, their CRC)"""
    connection = warren.UnixConnection(sandbox.server.socket, 300)
    try:
        connection.request("GET", path, None, headers(sandbox, **more))
        response = connection.getresponse()
        count, crc = 0, 0
        while piece := response.read(MIB):
            count += len(piece)
            crc = zlib.crc32(piece, crc) if more.get("Range") else crc
        return response.status, dict(response.getheaders()), count, crc
    finally:
        connection.close()


def post(sandbox, path, pieces, **more):
    """A chunked upload of what the iterator gives -> (status, answer)"""
    connection = warren.UnixConnection(sandbox.server.socket, 300)
    try:
        connection.request("POST", path, pieces, headers(sandbox, **more), encode_chunked=True)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_download_of_more_than_four_gib(server, sandbox):
    sandbox.check("truncate -s 4608M /tmp/sparse && printf 'the end' >> /tmp/sparse")
    size = 4608 * MIB + 7
    with bounded(server, sandbox):
        status, fields, count, _ = get(sandbox, "/files?path=/tmp/sparse")
        assert (status, fields["Content-Length"], count) == (200, str(size), size)
    status, fields, count, crc = get(sandbox, "/files?path=/tmp/sparse", Range="bytes=-7")
    assert (status, count, crc) == (206, 7, zlib.crc32(b"the end"))
    assert fields["Content-Range"] == f"bytes {size - 7}-{size - 1}/{size}"
    status, _, count, crc = get(sandbox, "/files?path=/tmp/sparse", Range=f"bytes={size - 9}-{size - 6}")
    assert (status, count, crc) == (206, 4, zlib.crc32(b"\0\0th"))


def test_an_upload_of_more_than_four_gib(server, sandbox):
    """What is skipped needs no disk: a part that is no file, in front of one."""
    def form():
        yield b'--b\r\nContent-Disposition: form-data; name="comment"\r\n\r\n'
        for _ in range(4608):
            yield ZEROS
        yield b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="behind"\r\n\r\nstill here\r\n--b--\r\n'
    with bounded(server, sandbox):
        assert post(sandbox, "/files", form(), Content_Type="multipart/form-data; boundary=b") == (
            200, [{"path": "/home/user/behind", "name": "behind", "type": "file"}])
    assert sandbox.check("cat behind") == "still here"


def test_an_upload_that_is_stored(server, sandbox):
    with bounded(server, sandbox):
        status, answer = post(sandbox, "/files?path=/tmp/big", (ZEROS for _ in range(1024)),
                              Content_Type="application/octet-stream")
        assert status == 200, answer
    assert sandbox.check("stat -c %s /tmp/big; rm /tmp/big") == f"{GIB}\n"


def test_a_small_body_that_unpacks_to_gibibytes_fills_the_disk_and_no_memory(server, fresh):
    sandbox = fresh(diskBytes=64 * MIB)
    with bounded(server, sandbox):
        status, answer = post(sandbox, "/files?path=bomb", iter([gzip.compress(bytes(256 * MIB)) * 16]),
                              Content_Type="application/octet-stream", Content_Encoding="gzip")
        assert (status, answer) == (507, {"code": 507, "message": "not enough disk space available"})
    assert sandbox.check("rm bomb; echo 1 > small; cat small") == "1\n"


def test_many_transfers_at_once(server, fresh):
    """Each of them holds a bounded amount, packed or not."""
    sandbox = fresh()
    sandbox.check("head -c 100000000 /dev/urandom > big")
    before = peak(server.process.pid)
    results = []

    def download(packed):
        more = {"Accept_Encoding": "gzip"} if packed else {}
        results.append(get(sandbox, "/files?path=big", **more)[:3:2] == (200, 100000000) or packed)

    threads = [threading.Thread(target=download, args=(number % 2 == 0,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 16
    assert peak(sandbox.agent_pid()) < 8 * MIB + 16 * MIB
    assert peak(server.process.pid) - before < 32 * MIB
