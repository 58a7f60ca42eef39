"""Sandboxes that share a network group reach each other by name; nobody else does."""

import pytest

import netlab
import warren

PAGE = "page of the first"


@pytest.fixture(scope="module")
def running():
    """In a lab, so that a name that is not resolved here is refused by nobody else's resolver."""
    with netlab.Lab() as lab, lab.warren() as made:
        yield made


@pytest.fixture(scope="module")
def first(running):
    made = netlab.create(running, {"group": "crew", "hostname": "db"})
    made.put("/srv/index.html", PAGE.encode(), mode=0o644)
    made.service = made.start(["/usr/bin/python3", "-m", "http.server", "8080", "--bind", "127.0.0.1", "--directory", "/srv"])
    warren.wait_for(lambda: PAGE in made.run("curl -s http://127.0.0.1:8080/").out, 30, "the service listens")
    yield made
    made.kill()


def fetch(sandbox, host, port=8080):
    return sandbox.run(["curl", "-sS", "-m", "10", f"http://{host}:{port}/"])


def test_a_member_is_reached_by_its_id_and_its_hostname(running, first):
    second = netlab.create(running, {"group": "crew"})
    for host in (f"{first.id}.internal", "db.internal", "DB.internal"):
        assert fetch(second, host).out == PAGE, host
    opened = netlab.decisions(running, second, kind="open", port=8080)
    assert opened and opened[0]["address"].startswith("198.1")
    second.kill()


def test_members_need_no_internet(running, first):
    second = netlab.create(running, {"group": "crew"}, allow_internet_access=False)
    assert fetch(second, "db.internal").out == PAGE
    assert fetch(second, netlab.WEB, 80).code != 0
    second.kill()


def test_others_reach_nothing(running, first):
    """Also not by the address that a member sees, which may be that of somebody else in another group."""
    member = netlab.create(running, {"group": "crew"})
    address = member.check("getent ahostsv4 db.internal").split()[0]
    for network in (None, {"group": "another"}):
        outsider = netlab.create(running, network)
        assert fetch(outsider, "db.internal").code != 0
        assert fetch(outsider, f"{first.id}.internal").code != 0
        assert PAGE not in fetch(outsider, address).out
        assert network or netlab.decisions(running, outsider, kind="deny", address=address)
        outsider.kill()
    member.kill()


def test_a_member_that_leaves_is_cut_off(running, first):
    second = netlab.create(running, {"group": "crew"})
    assert fetch(second, "db.internal").out == PAGE
    address = second.check("getent ahostsv4 db.internal").split()[0]
    running.request("PUT", f"/sandboxes/{second.id}/network", {}, 204)
    assert fetch(second, "db.internal").code != 0
    assert PAGE not in fetch(second, address).out
    second.kill()


def test_a_dead_member_is_gone(running):
    short = netlab.create(running, {"group": "brief", "hostname": "short"})
    other = netlab.create(running, {"group": "brief"})
    assert other.run("getent hosts short.internal").code == 0
    short.kill()
    warren.wait_for(lambda: other.run("getent hosts short.internal").code != 0, 20, "the name is gone")
    other.kill()


@pytest.mark.parametrize("port", [49983, 49999])
def test_the_agent_of_a_member_is_not_for_others(running, first, port):
    """Without `secure` an agent asks for no token: running programs in each other is not what a group is for."""
    second = netlab.create(running, {"group": "crew"})
    assert second.run(["curl", "-s", "-m", "10", f"http://{first.id}.internal:{port}/health"]).code != 0
    assert netlab.decisions(running, second, kind="deny", port=port)
    second.kill()
