"""Watchers of directories are part of what a checkpoint keeps."""

import json
import subprocess

import warren
from test_checkpoint import SPARE_SLOTS, criu_binary, dump_of, restored  # noqa: F401 (criu_binary is a fixture)

SERVICE = "/filesystem.Filesystem/"


def ask(netns, method, request):
    """One call to the agent of a copy, whose network namespace is all that leads to it."""
    done = subprocess.run(["nsenter", f"--net={netns}", "curl", "-sS", "-m", "10", "-H", "Content-Type: application/json",
                           "--data-binary", json.dumps(request), f"http://127.0.0.1:{warren.AGENT_PORT}{SERVICE}{method}"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def names(answer):
    return [(event["type"].removeprefix("EVENT_TYPE_"), event["name"]) for event in answer.get("events", [])]


def test_watchers_go_on_in_a_copy(fresh, tmp_path, criu_binary):  # noqa: F811
    sandbox = fresh()

    def call(method, request):
        status, body = sandbox.http("POST", SERVICE + method, json.dumps(request), headers={"Content-Type": "application/json"})[:2]
        assert status == 200, body
        return json.loads(body)

    sandbox.check("mkdir -p ~/tree/deep")
    watcher = call("CreateWatcher", {"path": "tree", "recursive": True})
    sandbox.check(": >~/tree/deep/before")
    image, files, lower = dump_of(sandbox, tmp_path, criu_binary)
    assert names(call("GetWatcherEvents", watcher)) == [("CREATE", "deep/before")]
    with restored(image, files, lower, SPARE_SLOTS[0], tmp_path / "copy", criu_binary) as (_, netns, _):
        # What was not fetched before is still there, and both directories are still watched.
        assert names(ask(netns, "GetWatcherEvents", watcher)) == [("CREATE", "deep/before")]
        ask(netns, "MakeDir", {"path": "tree/deep/after"})
        ask(netns, "MakeDir", {"path": "tree/new"})
        assert names(ask(netns, "GetWatcherEvents", watcher)) == [
            ("CREATE", "deep/after"), ("CHMOD", "deep/after"), ("CREATE", "new"), ("CHMOD", "new")]
        assert ask(netns, "RemoveWatcher", watcher) == {}
    assert names(call("GetWatcherEvents", watcher)) == []
