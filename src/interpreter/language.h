/* The languages of cells, and how their runners are started. A constant table: who wants one more
 * adds a line and a runner program (src/interpreter/runners). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define WR_LANGUAGE_MAX_ARGS 8

struct wr_language {
    const char *name;
    const char *what;    /* the program, for people */
    const char *program; /* what the template has to have */
    const char *runner;  /* path of the runner program, which the template may lack */
    const char *argv[WR_LANGUAGE_MAX_ARGS];
    uint32_t zygote; /* enum wr_zygote_language; 0: always started plainly */
    bool listed;     /* its default context is there from the start */
    bool apart;      /* every piece of text is a message of its own */
};

extern const struct wr_language wr_languages[];
extern const size_t wr_language_count;

/* Blanks around it and case do not count, "js" and "ts" are short names, "" and NULL are Python.
 * NULL when there is no such language. */
const struct wr_language *wr_language_find(const char *name);
/* Whether this sandbox has what it takes; else WR_E_UNIMPLEMENTED with what to do. `path` is the
 * PATH of its processes. */
int wr_language_check(const struct wr_language *language, const char *path, struct wr_error *err)
    WR_MUST_CHECK;
