/* What an execution gets (warren/executor.h): read strictly, checked, each fault named. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "warren/files.h"

#define WR_EXECUTION_MAX_CODE      (4 * WR_MIB) /* an interpreter takes 8 MiB of escaped JSON */
#define WR_EXECUTION_MAX_FILES     1000
#define WR_EXECUTION_MAX_FILE_SIZE (64 * WR_MIB) /* of all together */
#define WR_EXECUTION_MAX_PACKAGES  100
#define WR_EXECUTION_MAX_ENV       256

/* Texts are borrowed from the input, which has to live as long. */
struct wr_execution_input {
    const char *code;
    size_t code_length;    /* characters */
    const char *language;  /* NULL: not said */
    uint64_t timeout_ms;   /* 0: not said */
    struct wr_file *files; /* owned; their bytes are in `contents` or borrowed */
    size_t file_count;
    char *contents;        /* owned: what was base64 */
    const char **packages; /* owned array */
    size_t package_count;
    json_t *env; /* borrowed; NULL: none */
};

/* Members may also be called `env_vars` and `timeout_seconds`; null is as if it were not there.
 * Unknown ones are INVALID_ARGUMENT, by their name. */
int wr_execution_input_read(const json_t *input, struct wr_execution_input *ret,
                            struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_execution_input_done(struct wr_execution_input *input);
#define wr_auto_execution_input WR_CLEANUP(wr_execution_input_done) struct wr_execution_input

/* Single members, for inputs of other primitives that have them too. `name` is what errors call
 * them. */
int wr_execution_check_code(const json_t *code, const char *name, struct wr_error *err)
    WR_MUST_CHECK;
int wr_execution_check_language(const json_t *language, const char *name, struct wr_error *err)
    WR_MUST_CHECK;
int wr_execution_check_env(const json_t *env, const char *name, struct wr_error *err) WR_MUST_CHECK;
/* Seconds, above 0 and at most a day. */
int wr_execution_read_timeout(const json_t *timeout, const char *name, uint64_t *ret_ms,
                              struct wr_error *err) WR_MUST_CHECK;
/* An array of requirements; *ret is an array of texts that are borrowed from it, to free(). */
int wr_execution_read_packages(const json_t *packages, const char *name, const char ***ret,
                               size_t *ret_count, struct wr_error *err) WR_MUST_CHECK;

/* Characters of UTF-8. */
size_t wr_execution_characters(const char *text, size_t len);
