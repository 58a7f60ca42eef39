"""Every denied system call of the design, by raw number, as user and as root. The numbers are those of x86-64, whose other two entry points
(x32 and the 32-bit int 0x80) have to be closed as well."""

import platform
import socket

import probe
import pytest

# name -> (number, arguments, answer). Arguments are such that the call does not fail by itself with the expected error where that
# can be had: the answer has to come from the filter.
REFUSED = {
    "ptrace of PID 1 (attach)": (101, "16 1 0 0", "EPERM"),
    "syslog": (103, "3 mem 16", "EPERM"),
    "vhangup": (153, "", "EPERM"),
    "pivot_root": (155, "str str", "EPERM"),
    "acct": (163, "0", "EPERM"),
    "settimeofday": (164, "mem 0", "EPERM"),
    "mount": (165, "str str str 4096 0", "EPERM"),
    "mount (tmpfs-less bind)": (165, "0 str 0 4096 0", "EPERM"),
    "umount2": (166, "str 2", "EPERM"),
    "swapon": (167, "str 0", "EPERM"),
    "swapoff": (168, "str", "EPERM"),
    "reboot": (169, "0xfee1dead 672274793 0x89abcdef 0", "EPERM"),
    "sethostname": (170, "str 4", "EPERM"),
    "setdomainname": (171, "str 4", "EPERM"),
    "iopl": (172, "3", "EPERM"),
    "ioperm": (173, "0 1 1", "EPERM"),
    "init_module": (175, "mem 0 str", "EPERM"),
    "delete_module": (176, "str 0", "EPERM"),
    "quotactl": (179, "0 str 0 mem", "EPERM"),
    "clock_settime": (227, "0 mem", "EPERM"),
    "mbind": (237, "mem 4096 0 0 0 0", "EPERM"),
    "set_mempolicy": (238, "0 0 0", "EPERM"),
    "get_mempolicy": (239, "mem 0 0 0 0", "EPERM"),
    "kexec_load": (246, "0 0 0 0", "EPERM"),
    "add_key": (248, "str str str 4 -3", "EPERM"),
    "request_key": (249, "str str 0 0", "EPERM"),
    "keyctl (session keyring id)": (250, "0 -3 0", "EPERM"),
    "keyctl (join session)": (250, "1 0", "EPERM"),
    "keyctl (search)": (250, "10 -4 str str 0", "EPERM"),
    "migrate_pages": (256, "0 0 0 0", "EPERM"),
    "unshare (nothing)": (272, "0", "EPERM"),
    "unshare (user)": (272, "0x10000000", "EPERM"),
    "unshare (mount)": (272, "0x20000", "EPERM"),
    "unshare (time)": (272, "0x80", "EPERM"),
    "move_pages": (279, "0 0 0 0 0 0", "EPERM"),
    "perf_event_open": (298, "mem 0 -1 -1 0", "EPERM"),
    "fanotify_init": (300, "0 0", "EPERM"),
    "fanotify_mark": (301, "-1 0 0 0 0", "EPERM"),
    "name_to_handle_at": (303, "fd str mem mem 0", "EPERM"),
    "open_by_handle_at": (304, "fd mem 0", "EPERM"),
    "setns (own directory)": (308, "fd 0", "EPERM"),
    "setns (bad descriptor)": (308, "-1 0", "EPERM"),
    "kcmp": (312, "1 1 0 0 0", "EPERM"),
    "finit_module": (313, "-1 str 0", "EPERM"),
    "kexec_file_load": (320, "-1 -1 0 0 0", "EPERM"),
    "bpf": (321, "0 mem 64", "EPERM"),
    "bpf (no arguments)": (321, "-1 0 0", "EPERM"),
    "userfaultfd": (323, "0", "EPERM"),
    "userfaultfd (user mode only)": (323, "1", "EPERM"),
    "io_uring_setup": (425, "1 mem", "ENOSYS"),
    "io_uring_enter": (426, "-1 0 0 0 0 0", "ENOSYS"),
    "io_uring_register": (427, "-1 0 0 0", "ENOSYS"),
    "open_tree": (428, "-1 str 0", "EPERM"),
    "open_tree (clone)": (428, "-100 str 1", "EPERM"),
    "move_mount": (429, "-1 str -1 str 0", "EPERM"),
    "fsopen": (430, "str 0", "EPERM"),
    "fsconfig": (431, "-1 0 0 0 0", "EPERM"),
    "fsmount": (432, "-1 0 0", "EPERM"),
    "fspick": (433, "-1 str 0", "EPERM"),
    "clone3 (bad size)": (435, "mem 8", "ENOSYS"),
    "clone3": (435, "mem 88", "ENOSYS"),
    "pidfd_getfd": (438, "-1 0 0", "EPERM"),
    "mount_setattr": (442, "-1 str 0 mem 32", "EPERM"),
    "quotactl_fd": (443, "-1 0 0 0", "EPERM"),
    "set_mempolicy_home_node": (450, "0 0 0 0", "EPERM"),
    "statmount": (457, "mem mem 0 0", ("EPERM", "ENOSYS")),
    "listmount": (458, "mem mem 0 0", ("EPERM", "ENOSYS")),
    "modify_ldt": (154, "0 mem 16", "ENOSYS"),
    "uselib": (134, "str", "ENOSYS"),
    "_sysctl": (156, "mem", "ENOSYS"),
    "a number beyond all": (511, "", "ENOSYS"),
    "a number far beyond all": (100000, "", "ENOSYS"),
}

CLONE_FLAGS = {
    "CLONE_NEWNS": 0x20000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}

SIGCHLD = 17
AF_ALLOWED = {"AF_UNIX": (1, 1, 0), "AF_INET": (2, 1, 0), "AF_INET6": (10, 2, 0), "NETLINK_ROUTE": (16, 3, 0),
              "NETLINK_SOCK_DIAG": (16, 3, 4)}
AF_REFUSED = {name: (number, 3, 0) for name, number in {
    "AF_AX25": 3, "AF_IPX": 4, "AF_APPLETALK": 5, "AF_X25": 9, "AF_KEY": 15, "AF_PACKET": 17, "AF_RDS": 21, "AF_PPPOX": 24,
    "AF_LLC": 26, "AF_IB": 27, "AF_CAN": 29, "AF_TIPC": 30, "AF_BLUETOOTH": 31, "AF_IUCV": 32, "AF_RXRPC": 33, "AF_NFC": 39,
    "AF_VSOCK": 40, "AF_KCM": 41, "AF_QIPCRTR": 42, "AF_SMC": 43, "AF_XDP": 44, "AF_MCTP": 45}.items()}
AF_REFUSED |= {"AF_ALG": (38, 5, 0), "AF_PACKET by SOCK_PACKET": (2, 10, 0)}
AF_REFUSED |= {f"AF_NETLINK protocol {number}": (16, 3, number) for number in (2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 18, 20, 21, 22)}

SOCKET, SOCKETPAIR, IOCTL, CLONE, PERSONALITY = 41, 53, 16, 56, 135
TIOCSTI, TIOCLINUX = 0x5412, 0x541C


@pytest.fixture(scope="module", params=["user", "root"])
def answers(request, probed):
    """All calls of the table at once, by name, for user and for root."""
    assert platform.machine() == "x86_64", "the numbers in this file are those of x86-64"
    calls = [f"64 {number} {arguments}" for number, arguments, _ in REFUSED.values()]
    return dict(zip(REFUSED, probe.call_all(probed, request.param, calls)))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(answers, name):
    expected = REFUSED[name][2]
    assert answers[name] in (expected if isinstance(expected, tuple) else (expected,))


def test_prober_reports_success(probed, user):
    """The negative tests mean something only if an allowed call works through the same program."""
    answers = probe.call_all(probed, user, ["64 39", "64 20000", f"64 {SOCKET} 2 1 0", f"64 {CLONE} {SIGCHLD} 0 0 0 0"])
    assert answers[0] > 1 and answers[1] == "ENOSYS" and answers[2] >= 0 and answers[3] > 1


@pytest.mark.parametrize("flag", CLONE_FLAGS)
def test_clone_with_new_namespace(probed, user, flag):
    calls = [f"64 {CLONE} {value:#x} 0 0 0 0" for value in (
        CLONE_FLAGS[flag] | SIGCHLD, CLONE_FLAGS[flag], CLONE_FLAGS[flag] | 0x1200011, CLONE_FLAGS[flag] | 0x10000000 | SIGCHLD)]
    assert probe.call_all(probed, user, calls) == ["EPERM"] * len(calls)


def test_clone_refuses_upper_bits(probed, user):
    """The flags of clone are the low 32 bits: namespaces must not hide behind set upper bits."""
    calls = [f"64 {CLONE} {0xffffffff00000000 | value | SIGCHLD:#x} 0 0 0 0" for value in CLONE_FLAGS.values()]
    assert probe.call_all(probed, user, calls) == ["EPERM"] * len(calls)


@pytest.mark.parametrize("family", AF_REFUSED)
def test_socket_family_refused(probed, user, family):
    number, kind, protocol = AF_REFUSED[family]
    calls = [f"64 {SOCKET} {number} {kind} {protocol}", f"64 {SOCKET} {number | 0xffffffff00000000:#x} {kind} {protocol}"]
    assert probe.call_all(probed, user, calls) == ["EAFNOSUPPORT"] * 2


@pytest.mark.parametrize("family", AF_ALLOWED)
def test_socket_family_allowed(probed, user, family):
    number, kind, protocol = AF_ALLOWED[family]
    assert probe.call_all(probed, user, [f"64 {SOCKET} {number} {kind} {protocol}"])[0] >= 0


def test_raw_sockets_refused(probed, user):
    raw = [f"64 {SOCKET} {family} 3 {protocol}" for family in (2, 10) for protocol in (1, 6, 255)]
    assert set(probe.call_all(probed, user, raw)) <= {"EPERM", "EACCES"}


def test_socketpair_other_families_refused(probed, user):
    """socketpair() makes sockets of any family: it must not be a way around the rule for socket()."""
    calls = [f"64 {SOCKETPAIR} {family} {kind} 0 mem" for family, kind in ((17, 3), (30, 5), (38, 5), (40, 1), (16, 3), (44, 3))]
    assert probe.call_all(probed, user, calls) == ["EAFNOSUPPORT"] * len(calls)
    assert probe.call_all(probed, user, [f"64 {SOCKETPAIR} 1 1 0 mem"]) == [0]


@pytest.mark.parametrize("command", [TIOCSTI, TIOCLINUX])
@pytest.mark.parametrize("upper", [0, 0x100000000, 0xffffffff00000000])
def test_terminal_injection_refused(probed, user, command, upper):
    """The kernel looks at 32 bits of an ioctl's command; so must the filter."""
    calls = [f"64 {IOCTL} tty {command | upper:#x} str", f"64 {IOCTL} 0 {command | upper:#x} str"]
    assert probe.call_all(probed, user, calls) == ["EPERM"] * 2


def test_personality(probed, user):
    allowed = [0, 0x40000, 0xffffffff]
    refused = [0x400000, 0x440000, 8, 0x100000, 0x8000000]
    answers = probe.call_all(probed, user, [f"64 {PERSONALITY} {value:#x}" for value in allowed + refused])
    assert all(isinstance(one, int) for one in answers[:3]) and answers[3:] == ["EPERM"] * len(refused)


def test_x32_entry_point_closed(probed, user):
    """getpid, mount, clone with a new user namespace, and the numbers that only x32 has."""
    calls = ["x32 39", "x32 165 str str str 4096 0", f"x32 {CLONE} 0x10000011 0 0 0 0", "x32 512", "x32 520", "x32 534", "x32 547"]
    assert probe.call_all(probed, user, calls) == ["ENOSYS"] * len(calls)


def test_i386_entry_point_closed(probed, user):
    """getpid, mount, unshare, bpf, socketcall through int 0x80."""
    calls = ["i386 20", "i386 21 str str str 4096 mem", "i386 310 0x10000000", "i386 357 0 mem 64", "i386 102 1 mem"]
    answers = probe.call_all(probed, user, calls)
    assert all(one in ("ENOSYS", "signal 11") for one in answers), answers


def test_filter_is_inherited_and_stays(probed, user):
    """Set-uid programs run under it too, and it cannot be taken off or replaced by a weaker one."""
    for command in ("grep -E '^Seccomp' /proc/self/status", "sudo -n grep -E '^Seccomp' /proc/self/status"):
        lines = dict(line.split(":\t") for line in probed.check(command, user).splitlines())
        assert lines["Seccomp"] == "2" and lines["Seccomp_filters"] == "1"
    # seccomp(2), number 317: a program may narrow itself (EFAULT: "1" is no address of a filter), but gets no
    # listener (user notification), alone or with other flags
    assert probe.call_all(probed, user, ["64 317 1 0 1"])[0] in ("EFAULT", "EINVAL", "EACCES")
    assert probe.call_all(probed, user, ["64 317 1 8 mem", "64 317 1 9 mem"]) == ["EPERM"] * 2


def test_io_setup_refused(probed, user):
    """fs.aio-max-nr is one number for the whole host: a sandbox could use it up."""
    assert probe.call_all(probed, user, ["64 206 65536 mem", "64 206 1 mem"]) == ["ENOSYS"] * 2


def test_address_families_from_python(probed, user):
    """The same through libc."""
    out = probed.python(f"""
import socket
for family in ({int(socket.AF_PACKET)}, {int(socket.AF_VSOCK)}, {int(socket.AF_ALG)}):
    try:
        socket.socket(family, socket.SOCK_RAW)
        print("made")
    except OSError as error:
        print(error.errno)
""", user)
    assert out.out.split() == ["97"] * 3
