"""The client of libwarren against a real server: over its Unix socket, over TCP with a key, and under a domain with TLS.

The checks themselves are C (client_check*.c), because that is what the library is for; each runs in a process of its own.
"""

import pathlib
import subprocess
import sys

import libwarren
import pytest
import service
import warren
from fault_proxy import FaultProxy

# Parts of the names of the program's tests; together they are all of them.
GROUPS = ["client_", "sandbox_", "code_", "contexts", "program_", "files_", "options_", "saved_by", "saved_in", "saved_as", "saved_for",
          "saved_nothing", "threads_", "nothing_"]


DOMAIN = "libwarren.test"


def check(environment, group="", inside=()):
    """Runs the tests of a group; `inside`: a program that shall start them."""
    done = subprocess.run([*inside, libwarren.program("client_check"), group], env=environment, capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nok 1 - " in done.stdout, f"nothing is called {group}: {done.stdout}"
    return done.stdout


@pytest.mark.parametrize("group", GROUPS)
def test_over_the_socket(group, endpoint, none_left):
    check(endpoint, group)


@pytest.mark.parametrize("group", GROUPS)
def test_over_tcp(group, tcp, none_left):
    check(tcp, group)


def test_the_end_of_a_program_overtakes_the_answer_to_its_input(service, tcp, none_left):
    """They travel on two connections: what was written was written."""
    with FaultProxy(service.ingress_port) as ingress:
        rule = ingress.rule(r"^POST /process\.Process/SendInput", "slow", times=10, delay=0.5)
        check({**tcp, "E2B_SANDBOX_URL": ingress.url}, "program_with_a_terminal")
        assert rule.used == 1


def test_under_a_domain():
    """TLS, and a host per sandbox: what the two others do not have."""
    with service.in_domain(DOMAIN) as running:
        environment = libwarren.environment(**running.settings(running.new_key("domain")))
        in_names = pathlib.Path(service.__file__).with_name("in_names.py")
        check(environment, inside=[sys.executable, "-B", in_names, DOMAIN, running.certificate])


def test_a_private_server_on_demand():
    """Several threads want it at once, and it may end between two calls of one client."""
    environment = libwarren.environment(WARREN_EXECUTABLE=warren.binary())
    with libwarren.private_warren() as (path, data):
        program = subprocess.Popen([libwarren.program("demand_check"), path, data], env=environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert program.stdout.readline() == "ready\n", program.stderr.read()
            libwarren.end_server(path)
            _, errors = program.communicate("again\n", timeout=120)
            assert program.returncode == 0, errors
        finally:
            program.kill()
            program.wait()


def test_no_private_server_without_its_program():
    environment = libwarren.environment(WARREN_EXECUTABLE="/nonexistent/warren")
    done = subprocess.run([libwarren.program("demand_check"), "/run/warren-none/warren.sock", "/nonexistent"], env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "not_found: start of a server: /nonexistent/warren is not a program that can be run"
