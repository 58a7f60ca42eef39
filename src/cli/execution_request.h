/* The input of an execution, made of files and options of the command line. */
#pragma once

#include <jansson.h>

#include "cli/opts.h"

#define WR_CODE_FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes of code, as executors take them */

/* The parts that are the same for each file. Borrowed. */
struct wr_execution_parts {
    const char *lang;                  /* NULL: by the file, Python for standard input */
    uint64_t timeout_ms;               /* 0: the executor's */
    const struct wr_opt_list *files;   /* HOST:PATH */
    const struct wr_opt_list *install; /* packages */
    const struct wr_opt_list *envs;    /* NAME=VALUE */
};

/* The language of a file (an executor's name for it), by --lang or its extension. */
int wr_execution_language(const char *lang, const char *file, const char **ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* {"files", "install", "env", "timeout"}, what was given of them. *ret is the caller's. */
int wr_execution_parts_read(const struct wr_execution_parts *parts, json_t **ret,
                            struct wr_error *err) WR_MUST_CHECK;
/* Those, and code and language of `file` ("-": standard input). */
int wr_execution_request_read(const char *file, const char *lang, const json_t *parts, json_t **ret,
                              struct wr_error *err) WR_MUST_CHECK;
/* {NAME: VALUE}; INVALID_ARGUMENT for what has no "=" or an empty name. */
int wr_execution_env_read(const struct wr_opt_list *envs, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
