/*
 * Output of things that run at the same time, in the order of their numbers: who has its turn is
 * written as it comes, the others are kept. Any thread.
 */
#pragma once

#include "base/base.h"
#include "warren/cancel.h"

#define WR_TURNS_KEEP ((size_t)16 * 1024 * 1024)

struct wr_turns_opts {
    size_t count;
    /* Bytes of each whose turn it is not; who has more has to wait. 0: WR_TURNS_KEEP */
    size_t keep;
    int out_fd, err_fd;       /* borrowed */
    struct wr_cancel *cancel; /* borrowed: when it fires, nobody waits for a slow reader */
    /* Nothing can be written any more; once, from any thread. May be NULL. */
    void (*on_broken)(void *data);
    void *data;
};

struct wr_turns;

int wr_turns_new(const struct wr_turns_opts *opts, struct wr_turns **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_turns *wr_turns_free(struct wr_turns *turns);

/* 0; or -1 when nobody reads it any more. */
int wr_turns_write(struct wr_turns *turns, size_t number, bool to_err, const void *bytes,
                   size_t len);
/* A line break on the stream whose last line is open, if one is. */
void wr_turns_end_line(struct wr_turns *turns, size_t number);
/* Nothing more comes of this one; the turn is the next one's when it was this one's. Each number
 * has to end for the others to be seen. */
void wr_turns_end(struct wr_turns *turns, size_t number);
/* When a byte was written first, monotonic microseconds; 0: none yet. */
uint64_t wr_turns_first_output_us(struct wr_turns *turns);
/* An error when output could not be written: a full disk. That the reader has left is none. */
int wr_turns_check(struct wr_turns *turns, struct wr_error *err) WR_MUST_CHECK;
