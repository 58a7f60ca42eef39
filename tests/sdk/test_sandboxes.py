"""Sandboxes from making to end: create, info, list, connect, timeout, kill; keys and teams."""

import datetime
import urllib.parse
import uuid

import e2b
import pytest

ENVD_VERSION = "0.6.13"
ZERO_KEY = "e2b_" + "0" * 40


def all_pages(paginator):
    found = []
    while paginator.has_next:
        found += paginator.next_items()
    return found


def mark():
    """Metadata that only one test has."""
    return {"mark": uuid.uuid4().hex}


def lifetime(info):
    """Seconds."""
    return (info.end_at - info.started_at).total_seconds()


def test_create_and_info(make):
    metadata = {**mark(), "purpose": "a test", "empty": ""}
    sandbox = make(timeout=120, metadata=metadata)
    info = sandbox.get_info()
    assert info.sandbox_id == sandbox.sandbox_id
    assert sandbox.sandbox_id.isalnum() and sandbox.sandbox_id == sandbox.sandbox_id.lower()
    assert info.name == "base"
    assert len(info.template_id) == 20
    assert info.metadata == metadata
    assert info.state == e2b.SandboxState.RUNNING
    assert info.envd_version == ENVD_VERSION
    assert info.cpu_count >= 1 and info.memory_mb >= 64
    assert lifetime(info) == pytest.approx(120, abs=10)
    assert sandbox.is_running()


def test_create_from_template_by_name_and_id(make):
    by_name = make("base", timeout=60)
    template_id = by_name.get_info().template_id
    assert make(template_id, timeout=60).get_info().template_id == template_id


def test_unknown_template_is_refused(sdk):
    with pytest.raises(e2b.SandboxException, match="404.*no-such-template"):
        sdk.Sandbox.create("no-such-template")


def test_default_timeout_is_300_seconds(make):
    info = make().get_info()
    assert lifetime(info) == pytest.approx(300, abs=10)


@pytest.mark.parametrize("timeout", [0, -1, 10**9])
def test_impossible_timeouts_are_refused(sdk, timeout):
    with pytest.raises(e2b.SandboxException, match="(?i)400.*timeout"):
        sdk.Sandbox.create(timeout=timeout)


def test_kill(make, sdk):
    sandbox = make(timeout=120)
    assert sandbox.kill() is True
    assert sandbox.kill() is False
    assert sdk.Sandbox.kill(sandbox.sandbox_id) is False
    assert sandbox.is_running() is False
    with pytest.raises(e2b.SandboxNotFoundException):
        sandbox.get_info()
    with pytest.raises(e2b.SandboxNotFoundException):
        sandbox.set_timeout(10)
    with pytest.raises(e2b.SandboxNotFoundException):
        sdk.Sandbox.connect(sandbox.sandbox_id)


def test_calls_to_a_killed_sandbox_say_that_it_is_gone(make):
    sandbox = make(timeout=120)
    sandbox.kill()
    for call in (lambda: sandbox.commands.run("true"), lambda: sandbox.files.list("/"), lambda: sandbox.files.read("/etc/hosts"),
                 lambda: sandbox.files.write("x", "y")):
        with pytest.raises(e2b.TimeoutException, match="(?i)sandbox"):
            call()


def test_a_sandbox_ends_at_its_timeout(make, until):
    sandbox = make(timeout=1)
    until(lambda: not sandbox.is_running(), "the sandbox ended")
    with pytest.raises(e2b.SandboxNotFoundException):
        sandbox.get_info()


def test_set_timeout_shortens_and_lengthens(make):
    sandbox = make(timeout=100)
    before = sandbox.get_info()
    sandbox.set_timeout(400)
    longer = sandbox.get_info()
    assert longer.end_at - before.end_at > datetime.timedelta(seconds=290)
    sandbox.set_timeout(50)
    assert sandbox.get_info().end_at < before.end_at
    assert sandbox.get_info().started_at == before.started_at


def test_set_timeout_zero_ends_it(make, until):
    sandbox = make(timeout=100)
    sandbox.set_timeout(0)
    until(lambda: not sandbox.is_running(), "the sandbox ended")


def test_connect_gives_the_same_sandbox(make, sdk):
    sandbox = make(timeout=120)
    sandbox.files.write("note", "from the first")
    second = sdk.Sandbox.connect(sandbox.sandbox_id)
    assert second.sandbox_id == sandbox.sandbox_id
    assert second.files.read("note") == "from the first"
    assert second.commands.run("echo hi").stdout == "hi\n"
    assert sandbox.connect(timeout=60).is_running()


def test_connect_to_nothing(sdk):
    with pytest.raises(e2b.SandboxNotFoundException):
        sdk.Sandbox.connect("nonexistingsandbox")


def test_environment_of_the_sandbox(make):
    sandbox = make(timeout=120, envs={"COLOUR": "green", "SPACE": "a b\"c'd$e"})
    out = sandbox.commands.run("printf '%s\\n' \"$COLOUR\" \"$SPACE\" \"$E2B_SANDBOX\" \"$E2B_SANDBOX_ID\" \"$E2B_TEMPLATE_ID\"").stdout
    info = sandbox.get_info()
    assert out.splitlines() == ["green", "a b\"c'd$e", "true", sandbox.sandbox_id, info.template_id]


def test_context_manager_ends_the_sandbox(served):
    with e2b.Sandbox.create(timeout=60) as sandbox:
        assert sandbox.is_running()
    assert not sandbox.is_running()


def test_list_filters_by_metadata(make, sdk):
    wanted = {**mark(), "user name": "Zoë & co = 100%", "path": "a/b?c#d"}
    first = make(timeout=60, metadata=wanted)
    make(timeout=60, metadata={**wanted, "path": "other"})
    found = all_pages(sdk.Sandbox.list(e2b.SandboxQuery(metadata=wanted)))
    assert [one.sandbox_id for one in found] == [first.sandbox_id]
    assert found[0].metadata == wanted
    half = all_pages(sdk.Sandbox.list(e2b.SandboxQuery(metadata={"mark": wanted["mark"]})))
    assert len(half) == 2
    assert all_pages(sdk.Sandbox.list(e2b.SandboxQuery(metadata={"mark": wanted["mark"], "no": "such"}))) == []


def test_list_pages_and_order(make, sdk):
    label = mark()
    ids = [make(timeout=60, metadata=label).sandbox_id for _ in range(5)]
    query = e2b.SandboxQuery(metadata=label)
    pages = sdk.Sandbox.list(query, limit=2)
    sizes, seen = [], []
    while pages.has_next:
        items = pages.next_items()
        sizes.append(len(items))
        seen += [one.sandbox_id for one in items]
    assert sizes == [2, 2, 1]
    assert seen == ids[::-1]
    assert [one.sandbox_id for one in all_pages(sdk.Sandbox.list(query, limit=2, order="asc"))] == ids


def test_list_resumes_at_a_token(make, sdk):
    label = mark()
    ids = [make(timeout=60, metadata=label).sandbox_id for _ in range(3)]
    query = e2b.SandboxQuery(metadata=label)
    first = sdk.Sandbox.list(query, limit=1)
    assert [one.sandbox_id for one in first.next_items()] == ids[2:]
    rest = sdk.Sandbox.list(query, limit=5, next_token=first.next_token)
    assert [one.sandbox_id for one in rest.next_items()] == [ids[1], ids[0]]
    assert not rest.has_next


def test_list_by_template_state_and_start(make, sdk):
    label = mark()
    first, second = make(timeout=60, metadata=label), make(timeout=60, metadata=label)
    started = second.get_info().started_at

    def ids(**query):
        return {one.sandbox_id for one in all_pages(sdk.Sandbox.list(e2b.SandboxQuery(metadata=label, **query)))}

    both = {first.sandbox_id, second.sandbox_id}
    assert ids(template="base") == both
    assert ids(template=first.get_info().template_id) == both
    assert ids(template="no-such-template") == set()
    assert ids(state=[e2b.SandboxState.RUNNING]) == both
    assert ids(state=[e2b.SandboxState.PAUSED]) == set()
    assert ids(state=[e2b.SandboxState.RUNNING, e2b.SandboxState.PAUSED]) == both
    assert ids(started_after=started) == {second.sandbox_id}


@pytest.mark.parametrize("key", [ZERO_KEY, "e2b_", "e2b_123", "not-a-key"])
def test_wrong_keys_are_refused(sdk, key):
    for call in (lambda: sdk.Sandbox.create(api_key=key), lambda: sdk.Sandbox.list(api_key=key).next_items(),
                 lambda: sdk.Sandbox.kill("i0000000000000000000", api_key=key)):
        with pytest.raises(e2b.AuthenticationException):
            call()


def test_a_missing_key_is_refused(sdk, monkeypatch):
    monkeypatch.delenv("E2B_API_KEY")
    with pytest.raises(e2b.AuthenticationException):
        sdk.Sandbox.create()


def test_teams_do_not_see_each_other(make, sdk, served):
    label = mark()
    ours = make(timeout=60, metadata=label)
    theirs = make(timeout=60, metadata=label, api_key=served.other_key)
    query = e2b.SandboxQuery(metadata=label)
    assert [one.sandbox_id for one in all_pages(sdk.Sandbox.list(query))] == [ours.sandbox_id]
    assert [one.sandbox_id for one in all_pages(sdk.Sandbox.list(query, api_key=served.other_key))] == [theirs.sandbox_id]
    foreign = {"api_key": served.other_key}
    assert sdk.Sandbox.kill(ours.sandbox_id, **foreign) is False
    for call in (lambda: sdk.Sandbox.get_info(ours.sandbox_id, **foreign), lambda: sdk.Sandbox.connect(ours.sandbox_id, **foreign),
                 lambda: sdk.Sandbox.set_timeout(ours.sandbox_id, 1, **foreign),
                 lambda: sdk.Sandbox.get_metrics(ours.sandbox_id, **foreign),
                 lambda: sdk.Sandbox.update_network(ours.sandbox_id, {}, **foreign)):
        with pytest.raises(e2b.SandboxNotFoundException):
            call()
    assert ours.is_running() and theirs.is_running()


def test_two_keys_of_a_team_share_sandboxes(make, sdk, served):
    sandbox = make(timeout=60)
    second_key = served.new_key("second key of the same team")
    assert sdk.Sandbox.get_info(sandbox.sandbox_id, api_key=second_key).sandbox_id == sandbox.sandbox_id


@pytest.mark.parametrize("call,exception", [
    pytest.param(lambda: e2b.Template.build(e2b.Template().from_image("debian:stable"), "name"), Exception, id="template"),
])
def test_other_services_do_not_exist_yet(served, call, exception):
    with pytest.raises(exception, match="501.*not available yet"):
        call()


@pytest.mark.parametrize("options,field", [
    pytest.param({"iam": {"tokens": {"t": {"audience": "a", "token_type": "JWT-SVID"}}}}, "iam", id="iam"),
    pytest.param({"network": {"https_ports": [8443]}}, "network.httpsPorts", id="https_ports"),
])
def test_options_that_do_not_exist_yet_are_refused_by_name(sdk, options, field):
    with pytest.raises(e2b.SandboxException, match=f"400.*{field}.*not available yet"):
        sdk.Sandbox.create(**options)


def test_mcp_without_gateway_fails_and_leaves_nothing(sdk, served):
    label = mark()
    with pytest.raises(e2b.SandboxException, match="Failed to start MCP gateway"):
        sdk.Sandbox.create("base", mcp={"duckduckgo": {}}, metadata=label)
    assert all_pages(sdk.Sandbox.list(e2b.SandboxQuery(metadata=label))) == []


def test_urls_carry_the_port_of_the_domain(sandbox, served):
    assert sandbox.get_host(8080) == f"8080-{sandbox.sandbox_id}.{served.domain}"
    assert urllib.parse.urlsplit(sandbox.download_url("x")).netloc == f"49983-{sandbox.sandbox_id}.{served.domain}"
    assert sandbox.get_mcp_url() == f"https://50005-{sandbox.sandbox_id}.{served.domain}/mcp"
