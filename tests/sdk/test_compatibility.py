"""docs/compatibility.md tells the truth: each endpoint answers as its row says, each feature has the test that its row names."""

import pathlib
import re
import uuid

import pytest

from raw import Raw

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parents[1] / "docs/compatibility.md"
STATES = {"works", "501", "refused", "absent"}


def rows(section):
    """[(first cell, state, last cell)] of the table below a heading."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S).group(1)
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return [(first, state, *rest) for first, state, *rest in cells if state != "state"]


def endpoints(section):
    for cell, state, *_ in rows(section):
        yield pytest.param(*cell.strip("`").split(" "), state, id=cell.strip("`").replace(" ", "_"))


@pytest.fixture(scope="module")
def raw(served):
    return Raw(served)


@pytest.fixture
def box(raw):
    with raw.box(timeout=60, secure=True) as made:
        yield made


def unknown_route(answer):
    """What is said about a path or a method that nobody serves."""
    return answer.status_code in (404, 405) and re.search("no such path|cannot be asked|not allowed|method", answer.text)


@pytest.mark.parametrize("method,path,state", endpoints("Control API"))
def test_control_api(raw, box, method, path, state):
    template = raw.api("GET", "/templates").json()[0]
    team = raw.api("GET", "/teams").json()[0]["teamID"] if "{teamID}" in path else ""
    known = {"sandboxID": box.id, "templateID": template["templateID"], "alias": "base", "teamID": team, "hash": "0" * 64}
    filled = re.sub(r"\{(\w+)\}", lambda match: known.get(match.group(1), "00000000-0000-4000-8000-000000000000"), path)
    answer = raw.api(method, filled, {} if method in ("POST", "PUT", "PATCH") else None)
    check(answer, state)


@pytest.fixture(scope="module")
def volume(raw):
    made = raw.api("POST", "/volumes", {"name": f"compatibility-{uuid.uuid4().hex}"}).json()
    yield made
    raw.api("DELETE", f"/volumes/{made['volumeID']}")


@pytest.mark.parametrize("method,path,state", endpoints("Content of volumes"))
def test_content_of_volumes(raw, volume, method, path, state):
    url = f"{raw.served.api_url}{path.replace('{volumeID}', volume['volumeID'])}?path=/nothing/here"
    answer = raw.client.request(method, url, headers={"Authorization": f"Bearer {volume['token']}"})
    check(answer, state)
    assert isinstance(answer.json()["code"], str), answer.text


@pytest.mark.parametrize("method,path,state", endpoints("API of the agent"))
def test_api_of_the_agent(box, method, path, state):
    if path.split("/")[-1] in ("Start", "Connect", "WatchDir", "StreamInput"):
        with box.stream(path[1:], {"path": "/nothing"}) as (answer, messages):
            assert answer.status_code == 200, answer.status_code
            assert [flags for flags, _ in messages] == [2]
        return
    message = {"process": {"pid": 999999}} if path.startswith("/process.") else {}
    check(box.envd(method, path, **({"json": message} if method == "POST" else {})), state)


@pytest.mark.parametrize("method,path,state", endpoints("API of the interpreter"))
def test_api_of_the_interpreter(box, method, path, state):
    known = box.interpreter("GET", "/contexts").json()[1]["id"]
    body = {"code": "1"} if path == "/execute" else {}
    check(box.interpreter(method, path.replace("{contextID}", known), **({"json": body} if method == "POST" else {})), state)


def check(answer, state):
    if state == "absent":
        assert answer.status_code == 404, answer.text
    elif state == "501":
        assert answer.status_code == 501, answer.text
        assert answer.json()["code"] == 501 and "not available yet" in answer.json()["message"]
    else:
        assert answer.status_code not in (401, 501) and answer.status_code < 500, f"{answer.status_code} {answer.text}"
        assert not unknown_route(answer), answer.text


def test_every_route_of_the_server_is_on_the_page():
    """What the page does not name would not be called above."""
    source = "".join(path.read_text() for path in (PAGE.parents[1] / "src/server").rglob("*.c"))
    served = set(re.findall(r'^\s*\{"([A-Z]+)", "(/[^"]*)", \w+\},$', source, re.M))
    named = {tuple(cell.strip("`").split(" ")) for cell, *_ in rows("Control API")}

    def shapes(routes):
        return {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in routes}

    assert len(served) > 50, "the tables of routes look different than this test thinks"
    assert shapes(served) == shapes(named)


def test_unknown_routes_are_told_apart(raw, box):
    """Else the checks above would check nothing."""
    assert unknown_route(raw.api("GET", "/no/such/path"))
    assert unknown_route(raw.api("PATCH", "/sandboxes"))
    assert not unknown_route(raw.api("GET", "/sandboxes/nonexistingsandbox"))
    assert box.envd("POST", "/no.Such/Method", json={}).status_code == 404


@pytest.mark.parametrize("feature,state,test", rows("Features of the SDKs"))
def test_features_name_their_tests(feature, state, test):
    path, name = test.strip("`").split("::")
    text = (HERE / path).read_text()
    written = f"def {name}(" if path.endswith(".py") else f"test('{name}',"
    assert written in text, f"{path} has no test {name}"


def test_states_are_those_explained():
    found = {state for section in ("Control API", "API of the agent", "API of the interpreter", "Features of the SDKs") for _, state, *_ in rows(section)}
    assert found <= STATES
    assert len(rows("Control API")) > 50 and len(rows("API of the agent")) > 20


def test_releases_are_those_driven():
    import json
    text = PAGE.read_text()
    for path in (HERE / "packages/python").glob("e2b-*.txt"):
        assert path.stem.removeprefix("e2b-") in text
    for path in (HERE / "packages/python").glob("interpreter-*.txt"):
        assert path.stem.removeprefix("interpreter-") in text
    for version in json.loads((HERE / "packages/node/package.json").read_text())["dependencies"].items():
        if "e2b" in version[0]:
            assert version[1].rsplit("@", 1)[-1] in text, version
