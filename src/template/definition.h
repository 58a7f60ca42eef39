/*
 * What the templates that Warren makes itself consist of, as data: changing any of it changes the
 * hash of the definition, and so makes a new layer. The base template is a whole tree; another one
 * may be a layer on top of it, so that both share the disk and the page cache.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* A file from a package index, pinned by its hash. */
struct wr_download {
    const char *machine; /* as `uname -m` says; NULL: for all */
    const char *sum;     /* hex: SHA-256 or SHA-512, told apart by its length */
    const char *url;
};

/* Directories that end up empty, with their modes: what the build or the host left there must not
 * reach a sandbox. */
struct wr_empty_dir {
    const char *path;
    unsigned int mode;
};

struct wr_definition {
    const char *name;
    const struct wr_definition *below; /* the definition that this one is a layer on; NULL: none */
    uint64_t need_bytes;        /* free space for the tree, the downloads, and room to unpack */
    const char *env_json;       /* of every process in a sandbox */
    const char *const *aliases; /* further names that clients ask for; NULL-terminated, as all these
                                   lists; NULL: none */
    const char *suite;          /* with sources and options: of the tree that mmdebstrap makes */
    const char *const *sources; /* apt lines */
    const char *const *options;
    const char *const *packages;
    const struct wr_download *downloads; /* ends with a zeroed entry */
    const char *customize; /* shell text, run as root on the host when all packages are there: $1 is
                              the root of the tree, the downloads are in $1/fetch */
};

/* NULL when no definition has that name. */
const struct wr_definition *wr_definition_find(const char *name);
/* Every definition, each after the one below it; NULL after the last. */
const struct wr_definition *wr_definition_at(size_t index);

extern const struct wr_empty_dir wr_empty_dirs[];
extern const size_t wr_empty_dir_count;

/* Appends the shell text that downloads what this machine needs into $1/fetch and checks it. 0 or
 * -errno. */
int wr_definition_fetch_script(const struct wr_definition *d, const char *machine,
                               struct wr_buf *out) WR_MUST_CHECK;
/* Appends the whole definition, without those below, in one canonical text. 0 or -errno. */
int wr_definition_write(const struct wr_definition *d, struct wr_buf *out) WR_MUST_CHECK;
/* The name of the definition's layer: a hash of its text and of the layers below. `out` holds 65
 * bytes. */
int wr_definition_hash(const struct wr_definition *d, char out[static 65], struct wr_error *err)
    WR_MUST_CHECK;
