import pathlib
import ssl
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[0] / "support"), str(HERE)]

import raw  # noqa: E402
from service import Service, make_certificates  # noqa: E402

DOMAIN = "sbx.test"
GUEST = HERE / "guest.py"


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """One private server for all files, with every kind of listener."""
    certificates = tmp_path_factory.mktemp("certificates")
    authority = make_certificates(DOMAIN, certificates)
    running = Service(DOMAIN, certificates)
    running.authority = authority
    running.start()
    yield running
    log = running.shut_down()
    assert "the engine did not confirm its end" not in log, log


@pytest.fixture(scope="session")
def key(service):
    return service.new_key("framing")


def make_guest(service):
    sandbox = service.create(timeout=3600)
    raw.start_guest(sandbox, GUEST.read_bytes())
    return sandbox


@pytest.fixture(scope="session")
def guest(service):
    """A sandbox in which guest.py runs."""
    return make_guest(service)


@pytest.fixture(scope="session")
def other(service):
    """Another one, whose clients must not notice anything of the first."""
    return make_guest(service)


def way(service, name, sandbox):
    """A door to guest.py in a sandbox."""
    routing = [f"E2b-Sandbox-Id: {sandbox.id}", f"E2b-Sandbox-Port: {raw.GUEST_PORT}"]
    if name == "local":
        return raw.Door(name, service.socket, routing)
    if name == "ingress":
        return raw.Door(name, ("127.0.0.1", service.ingress_port), routing)
    host = f"{raw.GUEST_PORT}-{sandbox.id}.{service.domain}"
    context = ssl.create_default_context(cafile=service.authority)
    return raw.Door(name, ("127.0.0.1", service.tls_port), [], context, host.partition(":")[0], host)


WAYS = ["local", "ingress", "tls"]


@pytest.fixture(params=WAYS)
def door(request, service, guest):
    """Every way to a service in a sandbox."""
    return way(service, request.param, guest)


@pytest.fixture
def plain(service, guest):
    """The ordinary way: TCP."""
    return way(service, "ingress", guest)


@pytest.fixture
def control(service, key):
    """The control API."""
    return raw.Door("control API", ("127.0.0.1", service.api_port), [f"X-API-Key: {key}"])


@pytest.fixture(params=[*WAYS, "control API"])
def any_door(request, service, guest):
    """Also the control API, which the local way shares its port with."""
    if request.param == "control API":
        return request.getfixturevalue("control")
    return way(service, request.param, guest)
