/* What the base template consists of, as data: changing any of it changes the hash, and so makes a
 * new layer. */
#pragma once

#include "base/buf.h"

#define WR_BASE_SUITE   "trixie"
#define WR_BASE_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
/* Environment of every process in a sandbox, as JSON. */
#define WR_BASE_ENV          \
    "{\"LANG\":\"C.UTF-8\"," \
    "\"PATH\":\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"}"

/* NULL-terminated lists. */
extern const char *const wr_base_packages[];
extern const char *const wr_base_sources[];   /* apt lines */
extern const char *const wr_base_tool_opts[]; /* further options of mmdebstrap */
/* Shell text that mmdebstrap runs as root on the host, with the root of the tree as $1: before
 * anything else (what cannot be had fails at once), and when all is installed. */
extern const char wr_base_fetch[];
extern const char wr_base_customize[];
/* Directories that end up empty, with their modes: what the build or the host left there must not
 * reach a sandbox. */
struct wr_base_empty_dir {
    const char *path;
    unsigned int mode;
};
extern const struct wr_base_empty_dir wr_base_empty_dirs[];
extern const size_t wr_base_empty_dir_count;

/* Appends the whole definition in one canonical text. 0 or -errno. */
int wr_base_definition(struct wr_buf *out) WR_MUST_CHECK;
