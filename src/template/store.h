/*
 * Templates on disk: <data>/templates/<name>.json (a manifest) and <data>/layers/<hash>/ (read-only
 * trees, named by the hash of their definition or content). Everything in <data>, which is 0711,
 * is 0700 root: layers hold setuid files. Only <data>/server belongs to the server's user.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define WR_TEMPLATE_MAX_LAYERS  16
#define WR_TEMPLATE_FORMAT      1
#define WR_TEMPLATE_MAX_ALIASES 4

struct wr_template {
    char name[64];
    char layers[WR_TEMPLATE_MAX_LAYERS][65]; /* hex hashes, lowest first */
    size_t layer_count;
    char aliases[WR_TEMPLATE_MAX_ALIASES][64]; /* further names that clients ask for */
    size_t alias_count;
    char user[33];     /* default user of processes */
    char workdir[256]; /* "" : the user's home */
    char *env_json;    /* owned: {"NAME": "value"} of every process; never NULL after load */
    uint64_t size_bytes;
    uint64_t created_ms;
    uint64_t cpu_millis, memory_bytes, disk_bytes; /* 0: built-in default */
};

void wr_template_done(struct wr_template *t);
#define wr_auto_template WR_CLEANUP(wr_template_done) struct wr_template

/* Opens (and makes, 0711) the data directory with layers/ and templates/ (0700). *ret_dirfd is
 * owned by the caller. */
int wr_data_dir_open(const char *path, int *ret_dirfd, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND names the template, those that exist, and the command that makes one. A manifest is
 * checked strictly. */
int wr_template_load(int data_dirfd, const char *name, struct wr_template *ret,
                     struct wr_error *err) WR_MUST_CHECK;
/* ALREADY_EXISTS when another template has the name or one of the aliases, as its name or alias. */
int wr_template_check_names(int data_dirfd, const struct wr_template *t, struct wr_error *err)
    WR_MUST_CHECK;
/* Writes the manifest durably; checks the names before. */
int wr_template_save(int data_dirfd, const struct wr_template *t, struct wr_error *err)
    WR_MUST_CHECK;
int wr_template_list(int data_dirfd, void (*fn)(const struct wr_template *t, void *data),
                     void *data, struct wr_error *err) WR_MUST_CHECK;
/* Removes the manifest and layers that no other template uses and nothing else needs (kept.h). */
int wr_template_remove(int data_dirfd, const char *name, struct wr_error *err) WR_MUST_CHECK;
/* O_DIRECTORY descriptor of a layer's tree. */
int wr_template_layer_open(int data_dirfd, const char *hash, int *ret_fd, struct wr_error *err)
    WR_MUST_CHECK;
