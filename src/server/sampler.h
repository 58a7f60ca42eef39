/*
 * Records over time: a sample of every running sandbox each 5 s, what each team has, and the
 * removal of what is too old. A new sandbox has its first sample after 1 to 2 s.
 */
#pragma once

#include "base/error.h"

#define WR_SAMPLE_MS 5000

struct wr_server;
struct wr_sampler;

/* Begins at once; the server's loop, engine client, table and store outlive it. */
int wr_sampler_new(struct wr_server *server, struct wr_sampler **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The engine client must be gone: it still had to answer. Accepts NULL, returns NULL. */
struct wr_sampler *wr_sampler_free(struct wr_sampler *sampler);
