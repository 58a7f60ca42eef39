"""What servers of this protocol get wrong: one test and more for each trap of the protocol's description, by its number, on the
wire where the SDKs hide it. Those that are about pausing, snapshots, template builds and egress come with these."""

import datetime
import json
import re
import urllib.parse
import uuid

import httpx
import pytest

import guests
from raw import Raw, decoded, http

# Pausing (11, 21, 25), and building templates (18, 19).
LATER = {11, 18, 19, 21, 25}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


@pytest.fixture(scope="module")
def raw(served):
    return Raw(served)


@pytest.fixture(scope="module")
def box(raw):
    """A sandbox that the tests share."""
    with raw.box(timeout=600, secure=True) as made:
        yield made


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("method,path,body,status", [
    ("GET", "/sandboxes/nonexistingsandbox", None, 404),
    ("DELETE", "/sandboxes/not-found", None, 404),
    ("POST", "/sandboxes/non-existing/timeout", {"timeout": 5}, 404),
    ("POST", "/sandboxes/nonexistent-sandbox/connect", {"timeout": 5}, 404),
    ("POST", "/v2/sandboxes/itisntthere0000/connect", {}, 404),
    ("GET", "/sandboxes/itisntthere0000/metrics", None, 404),
    ("PUT", "/sandboxes/itisntthere0000/network", {}, 404),
    ("POST", "/sandboxes", {"templateID": "nothing-of-this-name"}, 404),
    ("POST", "/sandboxes", {"templateID": "base", "timeout": "soon"}, 400),
    ("POST", "/sandboxes", {"timeout": 5}, 400),
    ("POST", "/sandboxes", {"templateID": "base", "frobnicate": 1}, 400),
    ("GET", "/no/such/route", None, 404),
    ("PATCH", "/sandboxes", None, 405),
    ("GET", "/v2/sandboxes?limit=0", None, 400),
    ("GET", "/v2/sandboxes?nextToken=broken", None, 400),
])
def test_trap_01_error_bodies_have_an_integer_code_and_a_message(raw, method, path, body, status):
    answer = raw.api(method, path, body)
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert error["code"] == status and isinstance(error["code"], int) and isinstance(error["message"], str) and error["message"]


def test_trap_01_refused_fields_are_named(raw):
    assert "frobnicate" in raw.api("POST", "/sandboxes", {"templateID": "base", "frobnicate": 1}).json()["message"]


def test_trap_01_not_found_names_the_sandbox(raw):
    message = raw.api("GET", "/sandboxes/nonexistingsandbox").json()["message"]
    assert message == 'Sandbox "nonexistingsandbox" doesn\'t exist or you don\'t have access to it'


def test_trap_01_without_a_key(raw, served):
    for headers in ({}, {"X-API-Key": "e2b_" + "0" * 40}, {"Authorization": "Bearer sk_e2b_" + "0" * 40}):
        answer = raw.client.get(f"{served.api_url}/sandboxes", headers=headers)
        assert answer.status_code == 401 and answer.json()["code"] == 401


def test_trap_02_urls_without_headers_work_by_host(box):
    put = box.envd("POST", "/files", params={"path": "/home/user/signed"}, content=b"x",
                   headers={"Content-Type": "application/octet-stream"})
    assert put.status_code == 200
    assert http.get(box.url("/health")).status_code == 204
    assert http.get(box.url("/files?path=signed")).status_code == 401


@pytest.mark.parametrize("suffix", ["", "-00000000", "-unknown", "-a-b-c"])
def test_trap_03_anything_may_follow_the_id(box, suffix):
    host = box.host().replace(f"{box.id}.", f"{box.id}{suffix}.")
    assert http.get(f"https://{host}/health").status_code == 204


def test_trap_03_hosts_that_name_nothing(box, raw, served):
    def ask(host):
        return raw.client.get(f"https://api.{served.domain}/health", headers={"Host": f"{host}.{served.domain}"})

    for host in ("notaport-" + box.id, "49983", "49983-" + box.id.upper() + "_", "0-" + box.id, "65536-" + box.id, "-" + box.id):
        answer = ask(host)
        assert answer.status_code == 400 and answer.text.startswith("Invalid"), (host, answer.text)


def test_trap_04_kill_breaks_streams_and_then_answers_502(raw):
    with raw.box(timeout=60) as box:
        with pytest.raises(httpx.TransportError):
            with box.stream("process.Process/Start", box.start("sleep 600")) as (_, messages):
                assert "start" in next(messages)[1]["event"]
                raw.api("DELETE", f"/sandboxes/{box.id}")
                list(messages)
        health = http.get(box.url("/health"))
        assert health.status_code == 502
        assert health.json() == {"sandboxId": box.id, "message": "The sandbox was not found", "code": 502}
        assert health.headers["content-type"] == "application/json; charset=utf-8"


def test_trap_05_a_stream_begins_with_start_and_ends_with_an_envelope(box):
    with box.stream("process.Process/Start", box.start("echo hi; exit 3")) as (answer, messages):
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/connect+json"
        found = list(messages)
    assert found[0][0] == 0 and found[0][1]["event"]["start"]["pid"] > 1
    assert decoded(found[1][1]["event"], "stdout") == "hi\n"
    assert found[-2][1]["event"]["end"] == {"exitCode": 3, "exited": True, "status": "exit status 3", "error": "exit status 3"}
    assert found[-1] == (2, {})


def test_trap_05_success_omits_defaults(box):
    end = box.run("true")[-2]["end"]
    assert end == {"exited": True, "status": "exit status 0"}


def test_trap_05_errors_of_streams_are_http_200(box):
    with box.stream("process.Process/Connect", {"process": {"pid": 999999}}) as (answer, messages):
        assert answer.status_code == 200
        [(flags, message)] = list(messages)
    assert flags == 2
    assert message["error"] == {"code": "not_found", "message": "process with pid 999999 not found"}


def test_trap_05_errors_of_unary_calls_have_their_status(box):
    answer = box.call("filesystem.Filesystem/Stat", {"path": "/nothing"})
    assert answer.status_code == 404 and answer.json()["code"] == "not_found"
    assert answer.headers["content-type"].startswith("application/json")


def test_trap_06_keys_without_a_value_are_absent(raw):
    with raw.box(timeout=60) as box:
        nullable = {"domain"}
        assert {name for name, value in box.fields.items() if value is None} <= nullable
        for required in ("templateID", "sandboxID", "clientID", "envdVersion"):
            assert isinstance(box.fields[required], str), required
        detail = raw.api("GET", f"/sandboxes/{box.id}").json()
        nullable |= {"allowInternetAccess"}
        assert {name for name, value in detail.items() if value is None} <= nullable
        for required, kind in (("templateID", str), ("sandboxID", str), ("clientID", str), ("startedAt", str), ("endAt", str),
                               ("cpuCount", int), ("memoryMB", int), ("diskSizeMB", int), ("state", str), ("envdVersion", str)):
            assert isinstance(detail[required], kind), required
        [listed] = [one for one in raw.api("GET", "/v2/sandboxes").json() if one["sandboxID"] == box.id]
        assert None not in listed.values()


def test_trap_06_insecure_sandboxes_have_no_token(raw):
    with raw.box(timeout=60, secure=False) as box:
        assert "envdAccessToken" not in box.fields and "trafficAccessToken" not in box.fields
        assert http.post(box.url("/process.Process/List"), json={}).json() == {}
        assert http.get(box.url("/files?path=/etc/hostname"), headers={"X-Access-Token": "whatever"}).status_code == 200


def test_trap_07_internet_access_is_snake_case(raw):
    with raw.box(timeout=60, allow_internet_access=False) as box:
        assert raw.api("GET", f"/sandboxes/{box.id}").json()["allowInternetAccess"] is False
    assert raw.api("POST", "/sandboxes", {"templateID": "base", "allowInternetAccess": False}).status_code == 400


def test_trap_08_metadata_filter_is_encoded_three_times(raw):
    key, value = "user id", f"abc déf&=%/{uuid.uuid4().hex}"
    with raw.box(timeout=60, metadata={key: value}) as box:
        inner = urllib.parse.urlencode({urllib.parse.quote(key): urllib.parse.quote(value)})
        found = raw.api("GET", f"/v2/sandboxes?{urllib.parse.urlencode({'metadata': inner})}").json()
        assert [one["sandboxID"] for one in found] == [box.id]
        old = raw.api("GET", f"/sandboxes?{urllib.parse.urlencode({'metadata': inner})}").json()
        assert [one["sandboxID"] for one in old] == [box.id]
    bad = raw.api("GET", "/v2/sandboxes?metadata=%25zz%253D")
    assert bad.status_code == 400 and "error parsing metadata" in bad.json()["message"]


def test_trap_08_plain_metadata_filters_work_too(raw):
    value = uuid.uuid4().hex
    with raw.box(timeout=60, metadata={"plain": value}) as box:
        found = raw.api("GET", f"/v2/sandboxes?metadata=plain%3D{value}").json()
        assert [one["sandboxID"] for one in found] == [box.id]


def test_trap_09_the_last_page_has_no_token(raw):
    value = uuid.uuid4().hex
    query = f"/v2/sandboxes?metadata=page%3D{value}"
    with raw.box(timeout=60, metadata={"page": value}) as first, raw.box(timeout=60, metadata={"page": value}) as second:
        page = raw.api("GET", f"{query}&limit=1")
        assert page.headers["x-total-running"] == "2" and [one["sandboxID"] for one in page.json()] == [second.id]
        token = urllib.parse.quote(page.headers["x-next-token"])
        last = raw.api("GET", f"{query}&limit=1&nextToken={token}")
        assert [one["sandboxID"] for one in last.json()] == [first.id] and "x-next-token" not in last.headers
        full = raw.api("GET", f"{query}&limit=2")
        assert len(full.json()) == 2 and "x-next-token" not in full.headers
        assert raw.api("GET", f"{query}&order=asc&nextToken={token}").status_code == 400


def test_trap_10_connect_only_lengthens(raw):
    for prefix in ("", "/v2"):
        with raw.box(timeout=100) as box:
            before = seconds(raw.api("GET", f"/sandboxes/{box.id}").json()["endAt"])
            answer = raw.api("POST", f"{prefix}/sandboxes/{box.id}/connect", {"timeout": 10})
            assert answer.status_code == 200 and answer.json()["sandboxID"] == box.id
            assert answer.json()["envdAccessToken" if box.token else "sandboxID"] == (box.token or box.id)
            assert seconds(raw.api("GET", f"/sandboxes/{box.id}").json()["endAt"]) == before
            raw.api("POST", f"{prefix}/sandboxes/{box.id}/connect", {"timeout": 500})
            assert seconds(raw.api("GET", f"/sandboxes/{box.id}").json()["endAt"]) > before + 300
            assert raw.api("POST", f"/sandboxes/{box.id}/timeout", {"timeout": 20}).status_code == 204
            assert seconds(raw.api("GET", f"/sandboxes/{box.id}").json()["endAt"]) < before


def test_trap_10_refreshes_only_lengthen(raw):
    with raw.box(timeout=100) as box:
        before = seconds(raw.api("GET", f"/sandboxes/{box.id}").json()["endAt"])
        assert raw.api("POST", f"/sandboxes/{box.id}/refreshes", {"duration": 5}).status_code == 204
        assert seconds(raw.api("GET", f"/sandboxes/{box.id}").json()["endAt"]) == before
        assert raw.api("POST", f"/sandboxes/{box.id}/refreshes", {"duration": 1000}).status_code == 204
        assert seconds(raw.api("GET", f"/sandboxes/{box.id}").json()["endAt"]) > before + 500


def test_trap_12_files_of_size_zero_are_read_to_their_end(box):
    answer = box.envd("GET", "/files?path=/proc/sys/kernel/random/boot_id", headers={"Accept-Encoding": "identity"})
    assert re.fullmatch(r"[0-9a-f-]{36}\n", answer.text)


def test_trap_12_empty_files_have_a_length(box):
    box.envd("POST", "/files?path=/tmp/empty", content=b"", headers={"Content-Type": "application/octet-stream"})
    answer = box.envd("GET", "/files?path=/tmp/empty", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200 and answer.headers["content-length"] == "0" and answer.content == b""


def test_trap_13_file_names_of_parts_are_whole_paths(box):
    answer = box.envd("POST", "/files", files=[("file", ("dir/of/part.txt", b"one")), ("other", ("skipped", b"x")),
                                              ("file", ("/tmp/absolute", b"two"))])
    assert answer.json() == [{"path": "/home/user/dir/of/part.txt", "name": "part.txt", "type": "file"},
                             {"path": "/tmp/absolute", "name": "absolute", "type": "file"}]


def test_trap_13_the_path_in_the_query_wins(box):
    answer = box.envd("POST", "/files?path=/tmp/by-query", files={"file": ("other/name", b"x")})
    assert [one["path"] for one in answer.json()] == ["/tmp/by-query"]
    assert box.envd("GET", "/files?path=other/name").status_code == 404


def test_trap_13_a_part_may_lack_a_file_name(box):
    body = b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nfrom a field\r\n--b--\r\n"
    answer = box.envd("POST", "/files?path=/tmp/field", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 200
    assert box.envd("GET", "/files?path=/tmp/field").text == "from a field"


def test_trap_13_two_parts_for_one_path(box):
    answer = box.envd("POST", "/files?path=/tmp/same", files=[("file", ("a", b"1")), ("file", ("b", b"2"))])
    assert answer.status_code == 400 and "multiple files to the same path '/tmp/same'" in answer.json()["message"]
    assert box.envd("GET", "/files?path=/tmp/same").text == "1"


@pytest.mark.parametrize("multipart", [False, True], ids=["octet-stream", "multipart"])
def test_trap_14_an_upload_is_create_chmod_write_at_once(box, multipart):
    directory = f"/home/user/watched-{multipart}"
    assert box.call("filesystem.Filesystem/MakeDir", {"path": directory}).status_code == 200
    watcher = box.call("filesystem.Filesystem/CreateWatcher", {"path": directory}).json()["watcherId"]
    if multipart:
        box.envd("POST", f"/files?path={directory}/f", files={"file": ("f", b"content")})
    else:
        box.envd("POST", f"/files?path={directory}/f", content=b"content", headers={"Content-Type": "application/octet-stream"})
    events = box.call("filesystem.Filesystem/GetWatcherEvents", {"watcherId": watcher}).json()["events"]
    assert [(event["name"], event["type"]) for event in events] == [
        ("f", "EVENT_TYPE_CREATE"), ("f", "EVENT_TYPE_CHMOD"), ("f", "EVENT_TYPE_WRITE")]
    assert box.call("filesystem.Filesystem/GetWatcherEvents", {"watcherId": watcher}).json() == {}
    assert box.call("filesystem.Filesystem/RemoveWatcher", {"watcherId": watcher}).json() == {}
    assert box.call("filesystem.Filesystem/RemoveWatcher", {"watcherId": watcher}).status_code == 404


def test_trap_15_relative_paths_begin_at_the_home(box):
    for path, user, expected in (("x", None, "/home/user/x"), ("./a/../x", None, "/home/user/x"), ("~/x", None, "/home/user/x"),
                                 ("x", "root", "/root/x"), ("/tmp//x", None, "/tmp//x")):
        query = {"path": path, **({"username": user} if user else {})}
        answer = box.envd("POST", "/files", params=query, content=b"x", headers={"Content-Type": "application/octet-stream"})
        assert [one["path"] for one in answer.json()] == [expected]
    answer = box.call("filesystem.Filesystem/Stat", {"path": "~other/x"})
    assert answer.status_code == 400 and "cannot expand user-specific home dir" in answer.json()["message"]


def test_trap_16_entries_are_written_as_go_does(box):
    box.run("cd /tmp; echo 12345 > entry; chmod 4750 entry; ln -sfn /tmp/entry to-file; ln -sfn /etc to-dir; ln -sfn /nowhere broken; "
            "mkfifo -m 600 pipe; chmod 1777 /tmp")

    def stat(path):
        return box.call("filesystem.Filesystem/Stat", {"path": path}).json()["entry"]

    entry = stat("/tmp/entry")
    assert entry["size"] == "6" and entry["mode"] == 0o750 and entry["permissions"] == "urwxr-x---"
    assert (entry["owner"], entry["group"], entry["type"]) == ("user", "user", "FILE_TYPE_FILE")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", entry["modifiedTime"])
    assert "symlinkTarget" not in entry and "metadata" not in entry
    link = stat("/tmp/to-file")
    assert link["type"] == "FILE_TYPE_FILE" and link["symlinkTarget"] == "/tmp/entry" and link["permissions"] == "Lrwxrwxrwx"
    assert stat("/tmp/to-dir")["type"] == "FILE_TYPE_DIRECTORY" and stat("/tmp/to-dir")["permissions"].startswith("L")
    assert "type" not in stat("/tmp/broken")
    assert stat("/tmp/pipe")["permissions"] == "prw-------"
    assert stat("/tmp")["permissions"] == "dtrwxrwxrwx" and stat("/dev/null")["permissions"].startswith("Dc")


def test_trap_17_existing_directories_and_missing_files(box):
    assert box.call("filesystem.Filesystem/MakeDir", {"path": "/tmp/made"}).status_code == 200
    again = box.call("filesystem.Filesystem/MakeDir", {"path": "/tmp/made"})
    assert again.status_code == 409 and again.json() == {"code": "already_exists", "message": "directory already exists: /tmp/made"}
    gone = box.call("filesystem.Filesystem/Remove", {"path": "/tmp/never-was"})
    assert gone.status_code == 200 and gone.json() == {}


def test_trap_20_an_encoded_slash_is_part_of_a_segment(raw):
    one = raw.api("DELETE", "/templates/my-team%2Fsnap%3Adefault")
    assert one.status_code == raw.api("DELETE", "/templates/snap").status_code != 405
    assert "route" not in one.json()["message"]
    assert raw.api("DELETE", "/templates/my-team/snap").status_code in (404, 405)
    with raw.box(timeout=60) as box:
        assert raw.api("GET", f"/sandboxes/{box.id[0]}{box.id[1:].replace('a', '%61')}").status_code == 200


def test_trap_22_a_signal_is_exit_code_minus_one(box):
    assert box.run("kill -KILL $$")[-2]["end"] == {"exitCode": -1, "status": "signal: killed", "error": "signal: killed"}
    assert box.run("kill -TERM $$")[-2]["end"]["status"] == "signal: terminated"
    assert box.run("kill -SEGV $$")[-2]["end"]["status"].startswith("signal: segmentation fault")


def processes(box):
    return [one["config"]["args"][-1] for one in box.call("process.Process/List", {}).json().get("processes", [])]


def test_trap_23_a_client_that_leaves_ends_nothing(box):
    with box.stream("process.Process/Start", box.start("sleep 611")) as (_, messages):
        pid = next(messages)[1]["event"]["start"]["pid"]
    assert "sleep 611" in processes(box)
    assert box.call("process.Process/SendSignal", {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"}).status_code == 200


def test_trap_23_the_deadline_ends_the_command(box, until):
    with box.stream("process.Process/Start", box.start("sleep 612"), Connect_Timeout_Ms="300") as (_, messages):
        last = list(messages)[-1]
    assert last[0] == 2 and last[1]["error"]["code"] == "deadline_exceeded"
    until(lambda: "sleep 612" not in processes(box), "the command has ended")


def test_trap_24_domains_need_everything_else_denied(raw):
    refused = raw.api("POST", "/sandboxes", {"templateID": "base", "network": {"allowOut": ["example.com"]}})
    assert refused.status_code == 400 and refused.json()["message"].startswith(
        "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out to block all other traffic.")
    with raw.box(timeout=60, network={"allowOut": ["example.com", "10.0.0.1"], "denyOut": ["0.0.0.0/0"]}) as box:
        answer = raw.api("GET", f"/sandboxes/{box.id}").json()
        assert answer["network"]["denyOut"] == ["0.0.0.0/0"]


@pytest.mark.parametrize("path", ["/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade"])
def test_trap_26_routes_of_the_control_plane_are_reserved(box, path):
    for method in ("POST", "GET"):
        answer = box.envd(method, path)
        assert answer.status_code == 404
        assert answer.json() == {"message": "This endpoint is reserved for the E2B control plane and is not reachable through the "
                                            "sandbox URL", "path": path, "code": 404}


@pytest.mark.parametrize("path", ["/init/", "//init", "/./init", "/x/../init", "/%69nit", "/init?x=1"])
def test_trap_26_other_spellings_of_reserved_routes(box, path):
    assert box.envd("POST", path, json={"accessToken": "stolen"}).status_code in (400, 404)
    assert box.envd("GET", "/envs").status_code == 200


def test_trap_27_silence_is_broken_by_keepalives(box):
    with box.stream("process.Process/Start", box.start("sleep 2.5"), Keepalive_Ping_Interval="1") as (_, messages):
        kinds = [next(iter(message["event"])) for flags, message in messages if not flags]
    assert kinds[0] == "start" and kinds[-1] == "end" and kinds.count("keepalive") >= 2


def test_trap_27_watches_have_keepalives(box):
    with box.stream("filesystem.Filesystem/WatchDir", {"path": "/tmp"}, Keepalive_Ping_Interval="1") as (_, messages):
        assert next(messages)[1] == {"start": {}}
        assert next(messages)[1] == {"keepalive": {}}


def test_trap_28_the_agent_answers_at_once(raw):
    for _ in range(10):
        with raw.box(timeout=60) as box:
            assert http.get(box.url("/health")).status_code == 204


def test_trap_28_default_lifetimes(raw):
    for path, lifetime in (("/sandboxes", 15), ("/v2/sandboxes", 300)):
        with raw.box(path) as box:
            detail = raw.api("GET", f"/sandboxes/{box.id}").json()
            assert seconds(detail["endAt"]) - seconds(detail["startedAt"]) == pytest.approx(lifetime, abs=10)


def test_trap_28_sandboxes_of_version_two_are_secured(raw):
    with raw.box("/v2/sandboxes", timeout=60) as box:
        assert box.token and http.post(box.url("/process.Process/List"), json={}).status_code == 401


@pytest.mark.parametrize("port,words", [(49983, "Sandbox Not Found"), (8000, "Sandbox Not Found")])
def test_trap_29_browsers_get_html_for_what_is_gone(served, port, words):
    answer = http.get(f"https://{port}-i0000000000000000000.{served.domain}/", headers={"User-Agent": BROWSER})
    page = answer.text
    assert answer.status_code == 502 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.startswith("<html") and page.endswith("</html>") and words in page and "i0000000000000000000" in page


def test_trap_29_browsers_get_html_for_a_closed_port(box):
    port = guests.closed_port()
    answer = http.get(box.url("/", port), headers={"User-Agent": BROWSER, "Accept": "text/html"})
    assert answer.status_code == 502 and answer.text.startswith("<html") and answer.text.endswith("</html>")
    assert "no service running on port" in answer.text and box.id in answer.text and str(port) in answer.text
    other = http.get(box.url("/", port))
    assert other.json() == {"sandboxId": box.id, "message": "The sandbox is running but port is not open", "port": port, "code": 502}


def test_trap_29_scripts_of_a_browser_get_json(box):
    answer = http.get(box.url("/", guests.closed_port()), headers={"User-Agent": BROWSER, "Accept": "application/json"})
    assert answer.status_code == 502 and answer.json()["code"] == 502


def test_trap_30_environment_of_create_is_visible(raw):
    with raw.box(timeout=60, envVars={"MINE": "1"}) as box:
        out = "".join(decoded(event, "stdout") for event in box.run("echo $MINE $E2B_SANDBOX; env") if "stdout" in event.get("data", {}))
        assert out.startswith("1 true\n")
        names = {line.split("=", 1)[0] for line in out.splitlines()[1:]}
        assert {"PATH", "HOME", "USER", "LOGNAME", "E2B_SANDBOX_ID", "E2B_TEMPLATE_ID"} <= names
        assert json.loads(box.envd("GET", "/envs").text)["MINE"] == "1"


def test_every_trap_has_a_test():
    numbers = {int(name[10:12]) for name in globals() if name.startswith("test_trap_")}
    assert numbers | LATER == set(range(1, 31)) and not numbers & LATER
