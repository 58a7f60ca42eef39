"""Metrics of a sandbox."""

import datetime

import e2b
import pytest


def test_metrics_come_by_themselves(make, until):
    sandbox = make(timeout=120)
    sandbox.commands.run("timeout 60 sh -c 'while :; do :; done' >/dev/null 2>&1 & head -c 20000000 /dev/urandom > /home/user/data")
    samples = until(lambda: [one for one in sandbox.get_metrics() if one.cpu_used_pct > 0] and sandbox.get_metrics(),
                    "a sample with a used processor", 60)
    last, info = samples[-1], sandbox.get_info()
    assert last.cpu_count == info.cpu_count
    assert 0 < last.mem_used <= last.mem_total
    assert last.mem_total <= info.memory_mb << 20
    assert 0 < last.disk_used < last.disk_total
    assert last.mem_cache >= 0
    assert [one.timestamp for one in samples] == sorted(one.timestamp for one in samples)
    assert info.started_at - datetime.timedelta(seconds=1) <= samples[0].timestamp <= info.end_at


def test_metrics_of_a_time_without_any(make):
    sandbox = make(timeout=60)
    started = sandbox.get_info().started_at
    hour = datetime.timedelta(hours=1)
    assert sandbox.get_metrics(start=started - 2 * hour, end=started - hour) == []


def test_metrics_of_nothing(sdk):
    with pytest.raises(e2b.SandboxNotFoundException):
        sdk.Sandbox.get_metrics("nonexistingsandbox")
