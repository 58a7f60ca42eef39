/*
 * Command line options from a constant table: parsing, the valid range in every error text, help,
 * and (by cmd_completion.c) completion come from the same rows.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

#define WR_OPT_MAX_LIST 256
#define WR_OPT_MAX_ARGS 4096

enum wr_opt_kind {
    WR_OPT_FLAG = 0,     /* bool; yes or no where a text is needed */
    WR_OPT_STRING = 1,   /* const char * into argv */
    WR_OPT_LIST = 2,     /* struct wr_opt_list: may be given several times */
    WR_OPT_U64 = 3,      /* uint64_t */
    WR_OPT_SIZE = 4,     /* uint64_t bytes, "512M" */
    WR_OPT_DURATION = 5, /* uint64_t ms, "30s" */
    WR_OPT_CPU = 6,      /* uint64_t thousandths, "0.5" */
    WR_OPT_CHOICE = 7,   /* uint64_t: index among the words of `value`, "a|b|c" */
};

struct wr_opt_list {
    const char *items[WR_OPT_MAX_LIST];
    size_t count;
};

struct wr_opt {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum wr_opt_kind kind;
    size_t offset;     /* of the value in the struct of values */
    const char *value; /* name of the value in help; NULL for flags */
    const char *help;
    uint64_t min, max; /* numbers: inclusive; both 0: any */
    bool hidden;       /* for Warren's own use: not in help */
    /* Not NULL for a setting, which environment and file can give too (settings.h): its default as
     * text, "" for none. */
    const char *fallback;
};

/* One table and the struct that its values go to. Several may be in force at once. */
struct wr_opt_set {
    const struct wr_opt *opts;
    size_t count;
    void *values;
    const char **texts; /* NULL, or one per option: what was given (the last, "yes" for a flag) */
};

struct wr_opt_args {
    const char *items[WR_OPT_MAX_ARGS]; /* into argv */
    size_t count;
    bool help; /* --help was given */
};

/*
 * Reads argv[0..argc). Options and arguments may be mixed until `stop_after` arguments were seen
 * (SIZE_MAX: until the end) or "--": everything behind is an argument. INVALID_ARGUMENT names the
 * option, the text and what would be valid.
 */
int wr_opts_parse(const struct wr_opt_set *sets, size_t set_count, int argc, char *const *argv,
                  size_t stop_after, struct wr_opt_args *ret, struct wr_error *err) WR_MUST_CHECK;
/* Reads one value into the struct of values. `where` begins the text of an error: "option --x". */
int wr_opt_store(const struct wr_opt *opt, void *values, const char *where, const char *text,
                 struct wr_error *err) WR_MUST_CHECK;
/* The lines of a help page, aligned. */
void wr_opts_print_help(FILE *out, const struct wr_opt *opts, size_t count);
