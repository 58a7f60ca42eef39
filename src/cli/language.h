/* Which interpreter runs a program. */
#pragma once

#include "base/error.h"

struct wr_language {
    const char *name;        /* of --lang */
    const char *interpreter; /* looked up in the sandbox's PATH */
    const char *file_name;   /* for a program that came from standard input */
    const char *env;         /* "NAME=value" that it needs, or NULL */
};

/* `name` (of --lang) wins when it is not NULL, else the extension of `file`. INVALID_ARGUMENT lists
 * the choices. */
int wr_language_choose(const char *name, const char *file, const struct wr_language **ret,
                       struct wr_error *err) WR_MUST_CHECK;
