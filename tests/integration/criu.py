"""Dump and restore of a sandbox with CRIU: the command lines that docs/internals/checkpoint.md explains.

Needs root and the binary that tools/build-criu makes; a distribution's criu cannot dump a sandbox.
"""

import ctypes
import os
import platform
import shutil
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60
KEYCTL = {"x86_64": 250, "aarch64": 219}[platform.machine()]
KEYCTL_JOIN_SESSION_KEYRING = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class CriuError(Exception):
    """CRIU failed; the text has the error lines of its log."""


def binary():
    """Path of the criu binary, built on first use."""
    done = subprocess.run([ROOT / "tools" / "build-criu"], stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return done.stdout.strip()


def _run(command, log, before=None):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
                          preexec_fn=before, check=False)
    if done.returncode == 0:
        return
    text = log.read_text(errors="replace") if log.exists() else done.stderr
    # Without CAP_SYS_RESOURCE every log starts with this harmless line.
    errors = [line for line in text.splitlines() if "Error" in line and "RLIMIT_NOFILE" not in line]
    raise CriuError("\n".join(errors[:10]) or done.stderr.strip() or f"criu exited with {done.returncode}")


def dump(pid, directory, leave_running=False, frozen_cgroup=None, criu=None):
    """Dumps the sandbox whose PID 1 has host pid `pid` into the new directory. Unless leave_running, its processes are gone afterwards.

    frozen_cgroup: directory of the frozen cgroup (v1 freezer or v2) that holds the tree; it stays frozen.
    """
    directory = Path(directory)
    directory.mkdir(parents=True)
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", criu or binary(), "dump", "-t", str(pid), "-D", directory,
               "-o", "dump.log", "-v1", "--manage-cgroups=ignore", "--tcp-close", "--skip-in-flight",
               "--network-lock", "skip", "--file-locks", "--ghost-limit", "1G", "--link-remap"]
    if leave_running:
        command.append("--leave-running")
    if frozen_cgroup:
        command += ["--freeze-cgroup", frozen_cgroup]
    _run(command, directory / "dump.log")


def restore(directory, work, root, netns, cgroup_tasks=(), criu=None):
    """Restores the image in `directory`; returns the host pid of the sandbox's PID 1.

    work: new directory for log and pid file. root: mount point of the sandbox's overlay (unmount it afterwards, lazily: the
    sandbox has its own copy). netns: path of a network namespace with lo up. cgroup_tasks: files `tasks` (v1) or `cgroup.procs`
    (v2) that the restored processes shall be born into.
    """
    work = Path(work)
    work.mkdir(parents=True)

    # What the restored processes inherit from CRIU: cgroups and the session keyring, which must not be the host's.
    def prepare():
        if LIBC.syscall(KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) < 0:
            raise OSError(ctypes.get_errno(), "keyctl")
        for path in cgroup_tasks:
            with open(path, "w", encoding="ascii") as tasks:
                tasks.write("0")

    # After the cgroups are joined: their namespace is not restored in this mode, so that its root is what we are in now.
    command = ["unshare", "-C", "nsenter", f"--net={netns}", criu or binary(), "restore", "-D", directory, "-W", work,
               "-o", "restore.log", "-v1", "--root", root, "--manage-cgroups=ignore", "--tcp-close", "-d", "--file-locks",
               "--pidfile", "pid"]
    _run(command, work / "restore.log", prepare)
    return int((work / "pid").read_text())


def _varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def copy_for_slot(directory, new_directory, host_base, count=65536):
    """A copy of an image (hard links) whose sandbox will have the host ids host_base .. host_base + count - 1.

    Only the user namespace's image holds host ids: magic (8 bytes), size (u32), then uid_map (field 1) and gid_map (field 2),
    each one extent {first, lower_first, count}.
    """
    shutil.copytree(directory, new_directory, copy_function=os.link)
    images = list(Path(new_directory).glob("userns-*.img"))
    if len(images) != 1:
        raise CriuError(f"{directory} has {len(images)} user namespaces, not 1")
    magic = images[0].read_bytes()[:8]
    extent = b"\x08\x00\x10" + _varint(host_base) + b"\x18" + _varint(count)
    both = b"".join(tag + _varint(len(extent)) + extent for tag in (b"\x0a", b"\x12"))
    images[0].unlink()
    images[0].write_bytes(magic + struct.pack("<I", len(both)) + both)
