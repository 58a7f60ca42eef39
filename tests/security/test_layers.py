"""The template's layers stay as they are, whatever root inside does."""

import hashlib
import json
import os
import pathlib

import warren

VANDALISM = r"""
rm -rf /usr/share/perl5 /usr/lib/git-core /opt /srv/* /boot /media
find /usr/bin -maxdepth 1 -type f -name 'a*' -exec sh -c 'echo broken > "$1"' - {} \;
truncate -s 0 /etc/passwd.bak /etc/group-; echo 'evil:x:0:0::/:/bin/sh' >> /etc/passwd
chmod -R 777 /etc; chown -R 1000:1000 /etc /var; touch -d @1 /usr/bin/env /etc/hostname
ln /usr/bin/env /usr/bin/hard-link; ln -sf /nowhere /usr/bin/sh2; mv /usr/lib/python3 /usr/lib/python3-moved; mv /home /home-moved
chattr +i /etc/fstab; chattr +a /etc/hosts
mkdir /usr/new && echo x > /usr/new/file; echo x > /usr/lib/python3.13/os.py; echo '#!/bin/sh' > /.warren/agent; rm -f /.warren/agent
rm -f /dev/null /dev/zero; mknod /dev/whiteout c 0 0
python3 - <<'END' 2>/dev/null
import os
for path in ("/usr/bin/bash", "/etc/ssl", "/usr"):
    try: os.setxattr(path, "user.mark", b"x")
    except OSError: pass
fd = os.open("/usr/bin/perl", os.O_RDWR)
os.write(fd, b"broken"); os.fsync(fd)
END
sync
"""


def record_of(path):
    info = path.lstat()
    extra = os.readlink(path) if path.is_symlink() else ""
    attributes = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in os.listxattr(path, follow_symlinks=False)]
    return (info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_nlink, info.st_ino, info.st_rdev, info.st_mtime_ns, info.st_ctime_ns,
            extra, attributes)


def fingerprint(root):
    """Of all metadata of a tree. The change time cannot be set, so content cannot change without it."""
    digest = hashlib.sha256()
    for directory, subdirectories, files in os.walk(root):
        subdirectories.sort()
        digest.update(repr((directory, record_of(pathlib.Path(directory)))).encode())
        for name in sorted(files):
            path = pathlib.Path(directory, name)
            digest.update(repr((str(path), record_of(path))).encode())
    return digest.hexdigest()


def layers(server):
    """The layers of the template and every layer of devices."""
    root = pathlib.Path(server.data) / "layers"
    manifest = json.loads((pathlib.Path(server.data) / "templates" / f"{warren.TEMPLATE}.json").read_text())
    found = [root / name for name in manifest["layers"]] + [path for path in root.iterdir() if path.name.startswith(".warren-")]
    assert len(found) >= 2
    return found


def test_layers_survive_vandalism(server, fresh):
    before = {path: fingerprint(path) for path in layers(server)}
    made = fresh()
    result = made.run(VANDALISM, "root", timeout=120)
    assert made.run("test -e /usr/lib/git-core", "root").code == 1, f"nothing was destroyed: {result}"
    assert made.run("test -e /usr/new/file", "root").code == 0
    made.kill()
    assert {path: fingerprint(path) for path in layers(server)} == before


def test_next_sandbox_is_intact(server, fresh):
    fresh().run(VANDALISM, "root", timeout=120)
    made = fresh()
    assert "evil" not in made.check("cat /etc/passwd")
    assert made.check("python3 -c 'import os; print(6 * 7)'; ls /dev/null /usr/lib/git-core > /dev/null; test ! -e /usr/new", "root") == "42\n"


def test_running_neighbour_is_intact(fresh):
    other = fresh()
    digest = other.check("sha256sum /usr/bin/awk /usr/bin/perl /etc/passwd")
    fresh().run(VANDALISM, "root", timeout=120)
    assert other.check("sha256sum /usr/bin/awk /usr/bin/perl /etc/passwd") == digest


def test_agent_file_is_not_what_runs(fresh):
    """The program that PID 1 runs comes from the engine: another one put in its place changes nothing."""
    made = fresh()
    made.run("printf '#!/bin/sh\\nexit 1\\n' > /.warren/agent; chmod 777 /.warren/agent", "root")
    assert made.check("echo works") == "works\n"
    assert fresh().check("echo works") == "works\n"
