/* Starting a nest process. */
#pragma once

#include <stddef.h>
#include <sys/un.h>

#include "base/error.h"

struct wr_driver;
struct wr_cgroup;

/* The bytes of the nest's program, linked into this binary by tools/embed. */
const void *wr_nest_program(size_t *ret_len);

struct wr_device_file;
/* The files of the device layer, linked in by tools/embed-files. */
const struct wr_device_file *wr_device_layer_files(size_t *ret_count);

/* <run>/nests/<nest>.sock */
int wr_nest_address(const struct wr_driver *driver, const char *nest_name, struct sockaddr_un *ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* The name of the nest's own control group. */
int wr_nest_cgroup_name(const char *nest_name, char *out, size_t cap, struct wr_error *err)
    WR_MUST_CHECK;
/* Binds the socket and starts a nest that listens on it. Returns when it serves or has failed.
 * Blocks for some 10 ms. */
int wr_nest_start(struct wr_driver *driver, const char *nest_name, struct wr_cgroup *home,
                  struct wr_error *err) WR_MUST_CHECK;
