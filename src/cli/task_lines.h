/* The tasks of `warren orchestrate`: one JSON object per line, each checked as an executor checks
 * its input, so that nothing runs when one of them is wrong. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/error.h"

#define WR_TASKS_FILE_MAX ((size_t)256 * 1024 * 1024) /* bytes */
#define WR_TASKS_MAX      100000

/* *ret: an array, the caller's; lines of white space count and are left out. INVALID_ARGUMENT names
 * `file` and the number of the line. */
int wr_task_lines_parse(const char *text, size_t len, const char *file, json_t **ret,
                        struct wr_error *err) WR_MUST_CHECK;
