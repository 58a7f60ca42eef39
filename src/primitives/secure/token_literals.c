#include "primitives/secure/token_literals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* A shorter value would take ordinary words out of the output. */
#define MIN_VALUE 4

static const char *const words[] = {"TOKEN",  "SECRET",     "KEY",        "PASSWORD",
                                    "PASSWD", "PASSPHRASE", "CREDENTIAL", "AUTH",
                                    "DSN",    "COOKIE",     "PRIVATE"};

bool wr_env_name_is_secret(const char *name)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(words); i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

int wr_env_secrets(const json_t *const *envs, size_t count, const char ***ret, size_t *ret_count,
                   struct wr_error *err)
{
    size_t most = 0, found = 0;
    const char *name = NULL;
    json_t *value = NULL;

    for (size_t i = 0; i < count; i++)
        most += json_object_size(envs[i]);
    const char **secrets = wr_calloc(most + 1, sizeof *secrets);
    if (!secrets)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "env");
    for (size_t i = 0; i < count; i++) {
        json_object_foreach((json_t *)(uintptr_t)envs[i], name, value) {
            if (json_string_length(value) >= MIN_VALUE && wr_env_name_is_secret(name))
                secrets[found++] = json_string_value(value);
        }
    }
    *ret = secrets;
    *ret_count = found;
    return 0;
}
