"""What left a sandbox through its policy only leaves it so after a resume, in a fork, and in what is made from its snapshot."""

import contextlib

import pytest

import netlab
import test_egress_escape as escape
import test_redirect as redirect
import warren
from test_egress_escape import lab, nobody_was_reached, running  # noqa: F401

# Of the open sandbox, of the one with two domain rules, and of the closed one.
AGAIN = {escape: ("test_forbidden_ranges", "test_the_metadata_address_in_all_spellings", "test_names_of_forbidden_addresses",
                  "test_a_name_with_one_forbidden_address", "test_the_host_and_the_control_api", "test_loopback_is_the_sandboxs_own",
                  "test_siblings", "test_the_sockets_of_the_egress_themselves", "test_rules_cannot_be_changed_from_inside"),
         redirect: ("test_udp_is_refused_at_once", "test_other_protocols_find_no_way", "test_foreign_addresses_cannot_be_bound",
                    "test_the_egress_addresses_cannot_be_shared", "test_a_foreign_address_in_free_bind_takes_nothing",
                    "test_source_addresses_are_no_way", "test_servers_inside_keep_their_ports", "test_nothing_comes_back",
                    "test_network_settings_cannot_be_changed", "test_packet_filter_is_out_of_reach",
                    "test_sockets_of_the_host_side_cannot_be_ended")}
for module, names in AGAIN.items():
    for name in names:
        globals()[name] = getattr(module, name)


def resumed(server, stack, **options):
    made = netlab.create(server, **options)
    stack.callback(made.kill)
    made.pause()
    made.resume()
    return made


def forked(server, stack, **options):
    original = netlab.create(server, **options)
    stack.callback(original.kill)
    [answer] = server.request("POST", f"/sandboxes/{original.id}/fork", {"timeout": 600}, 201)
    made = warren.Sandbox(server, answer["sandbox"])
    stack.callback(made.kill)
    return made


@pytest.fixture(scope="module", params=[resumed, forked], ids=lambda make: make.__name__)
def make(request):
    return request.param


@pytest.fixture(scope="module")
def box(running, make):  # noqa: F811
    with contextlib.ExitStack() as stack:
        yield make(running, stack)


@pytest.fixture(scope="module")
def named(running, make):  # noqa: F811
    with contextlib.ExitStack() as stack:
        yield make(running, stack, network=escape.NAMES)


@pytest.fixture(scope="module")
def closed(running, make):  # noqa: F811
    with contextlib.ExitStack() as stack:
        yield make(running, stack, allow_internet_access=False)
