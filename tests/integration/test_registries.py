"""The one test that leaves the machine: packages are installed from inside a sandbox, from the registries of Debian, PyPI and npm."""

import pathlib

import pytest

import netlab

AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
COMMANDS = {
    "pip": ("python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --target /tmp/pip iniconfig"
            " && PYTHONPATH=/tmp/pip python3 -c 'import iniconfig; print(iniconfig.__name__)'", "iniconfig"),
    "npm": ("mkdir -p /tmp/npm && cd /tmp/npm && npm install --silent --no-audit --no-fund ms >/dev/null"
            " && node -p 'require(\"ms\")(\"2 days\")'", "172800000"),
    "apt": ("sudo apt-get -q update >/dev/null && sudo apt-get -qy install --no-install-recommends hello >/dev/null"
            " && hello | head -1", "Hello, world!"),
}
NAMES = ["pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "deb.debian.org"]


@pytest.fixture(scope="module", params=["open", "names"])
def box(server, request):
    """Trusts whom this machine trusts: registries may be behind a mirror with an authority of its own."""
    network = {"denyOut": ["0.0.0.0/0"], "allowOut": NAMES} if request.param == "names" else None
    made = netlab.create(server, network)
    made.put("/etc/ssl/certs/ca-certificates.crt", AUTHORITIES.read_bytes(), mode=0o644)
    yield made
    made.kill()


@pytest.mark.parametrize("manager", list(COMMANDS))
def test_install(box, manager):
    command, expected = COMMANDS[manager]
    environment = {"PIP_CERT": str(AUTHORITIES), "NODE_EXTRA_CA_CERTS": str(AUTHORITIES)}
    done = box.run(command, timeout=300, envs=environment)
    assert done.code == 0 and done.out.strip().endswith(expected), done
