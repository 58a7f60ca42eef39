"""Runs a program where a domain and everything below it is 127.0.0.1: in_names.py DOMAIN CERTIFICATE PROGRAM [ARGUMENT...]

It makes itself a mount namespace first, so that nothing changes on the machine.
"""

import os
import subprocess
import sys

if "WARREN_TEST_NAMESPACE" not in os.environ:
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                          'WARREN_TEST_NAMESPACE=$(readlink /proc/self/ns/mnt) exec "$@"', "sh", sys.executable, "-B", *sys.argv])

import names  # noqa: E402

DOMAIN, CERTIFICATE, *COMMAND = sys.argv[1:]
with names.Names(DOMAIN) as known:
    known.trust(CERTIFICATE)
    sys.exit(subprocess.run(COMMAND, check=False).returncode)
