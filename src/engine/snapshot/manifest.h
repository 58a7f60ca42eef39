/* <volume>/snapshots/<id>/manifest.json: what was saved of a sandbox, and what it takes to use it.
 */
#pragma once

#include "engine/snapshot/hash.h"
#include "engine/snapshot/host.h"
#include "engine/snapshot/memory.h"
#include "engine/spec.h"

#define WR_MANIFEST_FORMAT     1
#define WR_MANIFEST_MAX_FILES  8192 /* of an image: a few for each process */
#define WR_MANIFEST_MAX_LAYERS 20
#define WR_MANIFEST_MAX_BYTES  ((size_t)4 * 1024 * 1024)

/* One file of the image. */
struct wr_image_file {
    char name[64];
    uint64_t size_bytes;
    char hash[WR_HASH_LEN + 1];
};

struct wr_manifest {
    char id[WR_ID_LEN + 1];
    struct wr_spec spec;        /* of the sandbox; with its generation */
    bool memory;                /* there is an image */
    bool own_files;             /* there is files/ */
    char source[WR_ID_LEN + 1]; /* "", or the snapshot that stands for it (after a rollback) */
    uint64_t created_ms, frozen_us;
    struct wr_host host;                     /* that dumped it */
    char layers[WR_MANIFEST_MAX_LAYERS][80]; /* names below <data>/layers, lowest first; the device
                                                layer is the last */
    size_t layer_count;
    struct wr_image_file *files; /* owned; sorted by name */
    size_t file_count;
    uint64_t image_bytes;
    struct wr_memory_files memory_files; /* that the image needs beside its own */
    uint64_t files_bytes;                /* charged to files/ or "u" when it was saved */
};

/* Accepts a zeroed one. */
void wr_manifest_done(struct wr_manifest *manifest);
struct wr_buf;
/* {"manifest": {...}, "hash": "<of the bytes of that object>"}. 0 or -errno. */
int wr_manifest_write(const struct wr_manifest *manifest, struct wr_buf *out) WR_MUST_CHECK;
/* DATA_LOSS for everything that wr_manifest_write() does not write. *ret is the caller's. */
int wr_manifest_read(const char *text, size_t len, struct wr_manifest *ret, struct wr_error *err)
    WR_MUST_CHECK;
