/*
 * Standard output and standard error of the CLI on the loop: never blocks (Ctrl-C keeps working
 * when the reader of a pipe sleeps), and without changing the mode of a descriptor that is shared
 * with other processes.
 */
#pragma once

#include "base/buf.h"
#include "loop/loop.h"

#define WR_SINK_HIGH ((size_t)256 * 1024) /* above it the source should pause */
#define WR_SINK_MAX  ((size_t)16 * 1024 * 1024)

struct wr_sink {
    struct wr_loop *loop;
    int fd; /* borrowed */
    struct wr_source source;
    struct wr_buf buf;
    bool broken; /* the reader is gone */
    /* Everything was written after wr_sink_write() said "full". */
    void (*on_drain)(struct wr_sink *sink, void *data);
    void *data;
};

void wr_sink_init(struct wr_sink *sink, struct wr_loop *loop, int fd,
                  void (*on_drain)(struct wr_sink *sink, void *data), void *data);
void wr_sink_done(struct wr_sink *sink);
/* False: full, pause the source until on_drain. Bytes for a broken sink are dropped. */
bool wr_sink_write(struct wr_sink *sink, const void *bytes, size_t len);
/* Writes what is left, waiting for the reader. */
void wr_sink_flush(struct wr_sink *sink);
