/*
 * A layer that lies on top of every template: /dev with its nodes, the mount points, host files
 * that must be there, /etc/resolv.conf, and the agent's own program for /proc/1/exe. It is made
 * once per engine version and shared by all sandboxes.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* tools/embed-files writes a table of these. */
struct wr_device_file {
    const char *path; /* below /.warren; ascending */
    const void *data;
    size_t len;
};

struct wr_device_contents {
    const void *program; /* the nest's binary */
    size_t program_len;
    const struct wr_device_file *files; /* runners of the interpreter and what they load */
    size_t file_count;
};

/* Makes (or finds) <data>/layers/.warren-<hash of contents>; *ret_fd is the caller's. */
int wr_device_layer_open(int data_dirfd, const struct wr_device_contents *contents, int *ret_fd,
                         struct wr_error *err) WR_MUST_CHECK;
/* Removes the device layers of other versions for which used() is false. */
void wr_device_layer_collect(int data_dirfd, int layer_fd,
                             bool (*used)(const char *name, void *data), void *data);
