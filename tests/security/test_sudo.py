"""Gaining root inside works, because no_new_privs is off, and is still only the sandbox's root."""

import warren


def test_sudo(sandbox):
    assert sandbox.check("sudo -n id -u") == "0\n"


def test_su(sandbox):
    assert sandbox.check("su user -c 'id -un'", "root") == "user\n"


def test_no_new_privs_is_off(sandbox, user):
    assert sandbox.check("grep NoNewPrivs /proc/self/status", user).split()[1] == "0"


def test_root_can_administer(fresh):
    made = fresh()
    made.check("useradd -m other && echo hello > /etc/motd && chown other /etc/motd && chmod 600 /etc/motd", "root")
    assert made.check("cat /etc/motd", "other") == "hello\n"
    assert made.run("cat /etc/motd", "user").code != 0


def test_user_is_not_root_without_sudo(sandbox):
    for command in ("echo x > /etc/passwd", "cat /etc/shadow", "chown user /usr/bin/id", "kill -0 1"):
        assert sandbox.run(command).code != 0


def test_root_inside_is_unprivileged_outside(sandbox):
    process = sandbox.start("sleep 100", "root").started()
    try:
        for pid in sandbox.pids():
            assert int(next(line for line in warren.proc_read(pid, "status").splitlines() if line.startswith("Uid:")).split()[1]) >= warren.SLOT_HOST_BASE
    finally:
        process.close()
