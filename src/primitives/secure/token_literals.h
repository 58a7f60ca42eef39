/* Which values of an environment are secrets. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/base.h"

struct wr_error;

/* Whether a variable of that name holds one: TOKEN, SECRET, KEY, PASSWORD and the like are in it.
 */
bool wr_env_name_is_secret(const char *name);
/* The values in the `count` environments ({NAME: text}; NULL: none) of such names that have at
 * least 4 bytes. *ret: an array of texts that are borrowed from them, to free(). */
int wr_env_secrets(const json_t *const *envs, size_t count, const char ***ret, size_t *ret_count,
                   struct wr_error *err) WR_MUST_CHECK;
