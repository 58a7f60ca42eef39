"""What of the control API no SDK asks for, on the wire: templates, teams, keys, logs, metrics of many, forms of ids."""

import re
import time
import urllib.parse
import uuid

import pytest

from raw import Raw, http

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


@pytest.fixture(scope="module")
def raw(served):
    return Raw(served)


@pytest.fixture(scope="module")
def other(served):
    return Raw(served, served.other_key)


@pytest.fixture(scope="module")
def box(raw):
    with raw.box(timeout=600, metadata={"mark": uuid.uuid4().hex}) as made:
        yield made


def json_of(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def test_health_needs_no_key(served):
    answer = http.get(f"{served.api_url}/health")
    assert answer.status_code in (200, 204)


def test_answers_have_request_ids(raw):
    first, second = raw.api("GET", "/sandboxes"), raw.api("GET", "/sandboxes")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_created_sandbox_has_every_field(raw):
    with raw.box(timeout=60, secure=True) as box:
        fields = box.fields
        assert re.fullmatch("[a-z0-9]{20}", fields["templateID"]) and re.fullmatch("[a-z0-9]+", fields["sandboxID"])
        assert fields["alias"] == "base" and fields["clientID"] and fields["envdVersion"] == "0.6.13"
        assert re.fullmatch("[0-9a-f]{64}", fields["envdAccessToken"])
        assert fields["domain"] == raw.served.domain


def test_client_id_may_follow_the_sandbox_id(raw, box):
    full = f"{box.id}-{box.fields['clientID']}"
    assert json_of(raw.api("GET", f"/sandboxes/{full}"))["sandboxID"] == box.id
    assert json_of(raw.api("GET", f"/sandboxes/{full}-x"), 400)["message"] == "Invalid sandbox ID"


def test_old_list_is_sorted_and_whole(raw):
    mark = uuid.uuid4().hex
    with raw.box(timeout=60, metadata={"m": mark}) as first, raw.box(timeout=60, metadata={"m": mark}) as second:
        found = json_of(raw.api("GET", f"/sandboxes?metadata=m%3D{mark}"))
        assert [one["sandboxID"] for one in found] == [second.id, first.id]
        assert {one["state"] for one in found} == {"running"}


@pytest.mark.parametrize("query", ["limit=101", "limit=x", "state=asleep", "order=up", "startedAfter=yesterday", "template=base:default",
                                   "nextToken=%00"])
def test_wrong_queries_of_the_list(raw, query):
    assert json_of(raw.api("GET", f"/v2/sandboxes?{query}"), 400)["code"] == 400


def test_lists_of_templates(raw, box):
    for path in ("/templates", "/v2/templates"):
        [base] = [one for one in json_of(raw.api("GET", path)) if "base" in one["aliases"]]
        assert base["templateID"] == box.fields["templateID"] and re.fullmatch(UUID, base["buildID"])
        assert base["names"] == base["aliases"] == ["base", "code-interpreter-v1"] and base["public"] is True and base["buildStatus"] == "ready"
        for field in ("cpuCount", "memoryMB", "diskSizeMB", "spawnCount", "buildCount"):
            assert isinstance(base[field], int), field
        assert re.fullmatch(TIME, base["createdAt"]) and re.fullmatch(TIME, base["updatedAt"])
        assert {"createdBy", "lastSpawnedAt", "envdVersion"} <= set(base)
    team = json_of(raw.api("GET", "/teams"))[0]["teamID"]
    assert json_of(raw.api("GET", f"/templates?teamID={team}"))
    assert json_of(raw.api("GET", f"/templates?teamID={uuid.uuid4()}"), 400)["code"] == 400


def test_pages_of_templates(raw):
    seen, token = [], ""
    while True:
        answer = raw.api("GET", f"/v2/templates?limit=1{token}")
        seen += [one["templateID"] for one in json_of(answer)]
        if "x-next-token" not in answer.headers:
            break
        token = f"&nextToken={urllib.parse.quote(answer.headers['x-next-token'])}"
    assert seen == [one["templateID"] for one in json_of(raw.api("GET", "/v2/templates"))]


def test_one_template(raw, box):
    for reference in ("base", box.fields["templateID"]):
        found = json_of(raw.api("GET", f"/templates/{reference}"))
        assert found["templateID"] == box.fields["templateID"] and found["public"] is True
        [build] = found["builds"]
        assert re.fullmatch(UUID, build["buildID"]) and build["status"] == "ready" and build["envdVersion"] == "0.6.13"
    assert json_of(raw.api("GET", "/templates/no-such-template"), 404)["code"] == 404


def test_alias_and_tags(raw, box):
    assert json_of(raw.api("GET", "/templates/aliases/base")) == {"templateID": box.fields["templateID"], "public": True}
    assert json_of(raw.api("GET", "/templates/aliases/no-such"), 404)["code"] == 404
    [tag] = json_of(raw.api("GET", "/templates/base/tags"))
    assert tag["tag"] == "default" and re.fullmatch(UUID, tag["buildID"]) and re.fullmatch(TIME, tag["createdAt"])


@pytest.mark.parametrize("reference,status", [
    ("base", 201), ("BASE", 201), (" base ", 201), ("base:default", 201), ("base:other", 404), ("nobody/base", 404), ("b@se", 400), ("", 400),
])
def test_references_of_templates(raw, reference, status):
    answer = raw.api("POST", "/sandboxes", {"templateID": reference})
    if answer.status_code == 201:
        raw.api("DELETE", f"/sandboxes/{answer.json()['sandboxID']}")
    assert answer.status_code == status or (status == 400 and answer.status_code == 404), answer.text


def test_team_of_a_key(raw, other):
    [ours], [theirs] = json_of(raw.api("GET", "/teams")), json_of(other.api("GET", "/teams"))
    for team in (ours, theirs):
        assert re.fullmatch(UUID, team["teamID"]) and team["name"] and isinstance(team["apiKey"], str)
        assert isinstance(team["isDefault"], bool)
    assert ours["teamID"] != theirs["teamID"]


def test_metrics_of_a_team(raw, other, box):
    team, foreign = (json_of(one.api("GET", "/teams"))[0]["teamID"] for one in (raw, other))
    now = int(time.time())
    for sample in json_of(raw.api("GET", f"/teams/{team}/metrics?start={now - 3600}&end={now}")):
        assert isinstance(sample["concurrentSandboxes"], (int, float)) and isinstance(sample["sandboxStartRate"], (int, float))
    for metric in ("concurrent_sandboxes", "sandbox_start_rate"):
        highest = json_of(raw.api("GET", f"/teams/{team}/metrics/max?metric={metric}&start={now - 3600}&end={now}"))
        assert highest["value"] >= 0 and "timestampUnix" in highest
    assert json_of(raw.api("GET", f"/teams/{foreign}/metrics"), 403)["code"] == 403
    assert json_of(raw.api("GET", f"/teams/{team}/metrics/max?metric=height"), 400)["code"] == 400


def test_life_of_a_key(raw, other, served):
    made = json_of(raw.api("POST", "/api-keys", {"name": "made by a test"}), 201)
    key = made["key"]
    assert re.fullmatch("e2b_[0-9a-f]{40}", key)
    assert made["mask"] == {"prefix": "e2b_", "valueLength": 40, "maskedValuePrefix": key[4:6], "maskedValueSuffix": key[-4:]}
    assert Raw(served, key).api("GET", "/sandboxes").status_code == 200

    def listed(who):
        return {one["id"]: one for one in json_of(who.api("GET", "/api-keys"))}

    assert listed(raw)[made["id"]]["name"] == "made by a test"
    assert "key" not in listed(raw)[made["id"]] and key not in raw.api("GET", "/api-keys").text
    assert listed(raw)[made["id"]]["lastUsed"]
    assert made["id"] not in listed(other)
    assert raw.api("PATCH", f"/api-keys/{made['id']}", {"name": "another name"}).status_code == 200
    assert listed(raw)[made["id"]]["name"] == "another name"
    assert other.api("DELETE", f"/api-keys/{made['id']}").status_code == 404
    assert other.api("PATCH", f"/api-keys/{made['id']}", {"name": "x"}).status_code == 404
    assert raw.api("DELETE", f"/api-keys/{made['id']}").status_code == 204
    assert raw.api("DELETE", f"/api-keys/{made['id']}").status_code == 404
    assert Raw(served, key).api("GET", "/sandboxes").status_code == 401


def test_keys_are_not_kept_in_the_database(served):
    data = b"".join(path.read_bytes() for path in served.host.data.joinpath("server").glob("warren.db*"))
    assert data and served.key.encode() not in data and bytes.fromhex(served.key[4:]) not in data


def test_logs(raw, box):
    old = json_of(raw.api("GET", f"/sandboxes/{box.id}/logs?limit=10"))
    assert {"logs", "logEntries"} <= set(old)
    new = json_of(raw.api("GET", f"/v2/sandboxes/{box.id}/logs?direction=forward&limit=10"))["logs"]
    assert new, "the creation is in the log"
    for entry in new:
        assert re.fullmatch(TIME, entry["timestamp"]) and entry["message"] and entry["level"] in ("debug", "info", "warn", "error")
        assert all(isinstance(value, str) for value in entry["fields"].values())
    assert json_of(raw.api("GET", "/v2/sandboxes/nonexistingsandbox/logs"), 404)["code"] == 404
    assert json_of(raw.api("GET", f"/v2/sandboxes/{box.id}/logs?direction=sideways"), 400)["code"] == 400


def test_logs_of_others(other, box):
    for path in (f"/sandboxes/{box.id}/logs", f"/v2/sandboxes/{box.id}/logs"):
        assert json_of(other.api("GET", path), 404)["code"] == 404


def test_metrics_of_many(raw, other, box, until):
    query = f"/sandboxes/metrics?sandbox_ids={box.id},nonexistingsandbox"
    found = until(lambda: json_of(raw.api("GET", query))["sandboxes"], "the first sample", 60)
    assert set(found) == {box.id}
    for field in ("timestampUnix", "cpuCount", "cpuUsedPct", "memUsed", "memTotal", "memCache", "diskUsed", "diskTotal"):
        assert isinstance(found[box.id][field], (int, float)), field
    assert json_of(other.api("GET", query))["sandboxes"] == {}


def test_wrong_ranges_of_metrics(raw, box):
    now = int(time.time())
    assert json_of(raw.api("GET", f"/sandboxes/{box.id}/metrics?start={now}&end={now - 100}"), 400)["code"] == 400
    assert json_of(raw.api("GET", f"/sandboxes/{box.id}/metrics?start=x"), 400)["code"] == 400
    assert json_of(raw.api("GET", f"/sandboxes/{box.id}/metrics?start={now - 7200}&end={now - 3600}")) == []


@pytest.mark.parametrize("body,status", [(b"", 400), (b"{", 400), (b"[]", 400), (b'{"templateID":"base","templateID":"base"}', 400),
                                         (b'{"templateID":"base"} x', 400), (b"\xff\xfe", 400), (b'"' + b"x" * (17 << 20) + b'"', 413)],
                         ids=["nothing", "half", "list", "twice", "more", "no text", "too long"])
def test_bodies_that_are_no_request(raw, served, body, status):
    answer = http.post(f"{served.api_url}/sandboxes", content=body, headers={"X-API-Key": raw.key, "Content-Type": "application/json"})
    assert answer.status_code == status and answer.json()["code"] == status
