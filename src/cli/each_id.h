/* Commands that do the same with several things, one after the other. */
#pragma once

#include <jansson.h>

#include "cli/command.h"

struct wr_each {
    const char *doing; /* of the line that tells of a long one: "pausing" */
    /* Does it to one. *ret: what --json tells of it, an object that becomes the callee's. */
    int (*run)(struct wr_transport *client, const char *id, const void *values, json_t **ret,
               struct wr_error *err);
    /* The same for people; the line about a long one is gone by then. */
    void (*print)(const json_t *result);
    const void *values; /* of the command */
    bool json;          /* one array of all results at the end */
};

/*
 * `ids` in turn; one that fails is told on standard error, and the others are done all the same.
 * The exit status (1: some failed), or the error when there is one id, or nothing was done.
 */
int wr_each_run(const struct wr_each *each, struct wr_transport *client, const char *const *ids,
                size_t count, struct wr_error *err) WR_MUST_CHECK;

/* "312 ms", "4.1 s": how long something took. */
void wr_format_took(double ms, char *out, size_t cap);
/* An error of a call on a sandbox: NOT_FOUND with what helps, others with its id. Returns `r`. */
int wr_explain_sandbox(int r, const char *id, struct wr_error *err);
