"""The zygote's library is loaded by whatever C library a template has: it may need no version of a symbol, no other
library, and only names that every C library exports.

usage: zygote_symbols.py LIBRARY
"""

import subprocess
import sys

# POSIX, or as old as Linux itself. Not: stat and its kin (no symbols before glibc 2.33), what headers rename
# (strtol, the 64-bit variants, fortified ones).
ALLOWED = set("""
__errno_location _exit chdir close closedir dirfd dup3 fchmod fcntl getpid getsockopt memcpy memset mmap mprotect mremap
madvise munmap open opendir prctl read readdir readlink recvmsg sbrk sendmsg setitimer setsid sigaction sigemptyset
sigprocmask snprintf socketpair strchr strlen strnlen strrchr syscall umask vfork waitpid write
""".split())
EXPORTED = {"wr_zygote_prepare", "wr_zygote_report", "wr_zygote_serve", "wr_zygote_watch_arenas"}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    library = sys.argv[1]
    needed = {line.split()[-1] for line in output("nm", "-D", "--undefined-only", library).splitlines()}
    assert needed, "nm found no symbol at all"
    assert not (needed - ALLOWED), f"not in every C library: {sorted(needed - ALLOWED)}"
    defined = {line.split()[-1] for line in output("nm", "-D", "--defined-only", library).splitlines()}
    assert defined == EXPORTED, f"exported: {sorted(defined)}"
    dynamic = output("readelf", "-dW", library)
    assert "(NEEDED)" not in dynamic, "linked against a library"
    assert "(VERNEED)" not in dynamic, "needs versions"


main()
