"""Watching directories: polled by the synchronous SDK, streamed to the asynchronous one."""

import e2b
import pytest

CREATE, WRITE, REMOVE, RENAME, CHMOD = (e2b.FilesystemEventType[name] for name in ("CREATE", "WRITE", "REMOVE", "RENAME", "CHMOD"))


def has(name, kind):
    return lambda events: any(event.name == name and event.type == kind for event in events)


def test_write_to_a_file(sdk, sandbox, folder):
    sandbox.files.write(f"{folder}/file", "old")
    watch = sdk.watch(sandbox, folder)
    sandbox.files.write(f"{folder}/file", "new")
    watch.wait(has("file", WRITE), "the write is seen")
    watch.stop()


def test_every_kind(sdk, sandbox, folder):
    watch = sdk.watch(sandbox, folder)
    sandbox.commands.run("echo x > a; chmod 600 a; mv a b; rm b; mkdir sub", cwd=folder)
    watch.wait(lambda events: all(has(*one)(events) for one in (
        ("a", CREATE), ("a", WRITE), ("a", CHMOD), ("a", RENAME), ("b", CREATE), ("b", REMOVE), ("sub", CREATE))), "all events")
    watch.stop()


def test_upload_of_a_new_file(sdk, sandbox, folder, until):
    watch = sdk.watch(sandbox, folder)
    sandbox.files.write(f"{folder}/fresh", "content")
    until(lambda: len(watch.events()) >= 3, "three events")
    assert [(event.name, event.type) for event in watch.events()] == [("fresh", CREATE), ("fresh", CHMOD), ("fresh", WRITE)]
    watch.stop()


def test_rename_through_the_sdk(sdk, sandbox, folder):
    sandbox.files.write(f"{folder}/before", "x")
    watch = sdk.watch(sandbox, folder)
    sandbox.files.rename(f"{folder}/before", f"{folder}/after")
    watch.wait(lambda events: has("before", RENAME)(events) and has("after", CREATE)(events), "both names")
    watch.stop()


def test_not_recursive_by_default(sdk, sandbox, folder):
    sandbox.files.make_dir(f"{folder}/sub")
    watch = sdk.watch(sandbox, folder)
    sandbox.files.write(f"{folder}/sub/deep", "x")
    sandbox.files.write(f"{folder}/near", "x")
    events = watch.wait(has("near", WRITE), "the file in the directory itself")
    assert not [event for event in events if "deep" in event.name]
    watch.stop()


def test_recursive(sdk, sandbox, folder):
    sandbox.files.make_dir(f"{folder}/sub")
    watch = sdk.watch(sandbox, folder, recursive=True)
    sandbox.files.write(f"{folder}/sub/deep", "x")
    watch.wait(has("sub/deep", CREATE), "a file in a directory that was there")
    sandbox.files.make_dir(f"{folder}/later/below")
    sandbox.files.write(f"{folder}/later/below/file", "x")
    watch.wait(has("later/below/file", WRITE), "a file in a directory made later")
    watch.stop()


def test_with_entries(sdk, sandbox, folder):
    watch = sdk.watch(sandbox, folder, include_entry=True)
    sandbox.files.write(f"{folder}/file", "12345")
    events = watch.wait(has("file", WRITE), "the write")
    entry = next(event for event in events if event.type == WRITE).entry
    assert (entry.name, entry.path, entry.type, entry.size) == ("file", f"{folder}/file", e2b.FileType.FILE, 5)
    sandbox.files.remove(f"{folder}/file")
    events = watch.wait(has("file", REMOVE), "the removal")
    assert next(event for event in events if event.type == REMOVE).entry is None
    watch.stop()


def test_without_entries(sdk, sandbox, folder):
    watch = sdk.watch(sandbox, folder)
    sandbox.files.write(f"{folder}/file", "12345")
    assert all(event.entry is None for event in watch.wait(has("file", WRITE), "the write"))
    watch.stop()


def test_stop(sdk, sandbox, folder):
    watch = sdk.watch(sandbox, folder)
    watch.stop()
    sandbox.files.write(f"{folder}/file", "x")
    assert watch.seen == []


def test_what_cannot_be_watched(sdk, sandbox, folder):
    with pytest.raises(e2b.NotFoundException):
        sdk.watch(sandbox, f"{folder}/nothing")
    sandbox.files.write(f"{folder}/file", "x")
    with pytest.raises(e2b.InvalidArgumentException, match="not a directory"):
        sdk.watch(sandbox, f"{folder}/file")


def test_a_watcher_of_nobody(served, sandbox, folder):
    """The synchronous SDK asks a watcher that has been removed by another client."""
    box = e2b.Sandbox.connect(sandbox.sandbox_id)
    first = box.files.watch_dir(folder)
    first.stop()
    first._closed = False
    with pytest.raises(e2b.NotFoundException, match="not found"):
        first.get_new_events()
