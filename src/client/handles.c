#include "client/handles.h"

#include <errno.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

bool wr_sandbox_id_is_valid(const char *id)
{
    return wr_str_only(id, "abcdefghijklmnopqrstuvwxyz0123456789-", 1, WR_SANDBOX_ID_MAX - 1);
}

int wr_sandbox_id_check(const char *id, struct wr_error *err)
{
    if (!id || !wr_sandbox_id_is_valid(id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not the id of a sandbox",
                       id ? id : "(NULL)");
    return 0;
}

struct wr_sandbox *wr_sandbox_new(struct wr_client *client, struct wr_error *err)
{
    struct wr_sandbox *sandbox = wr_calloc(1, sizeof *sandbox);

    if (!sandbox) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sandbox");
        return NULL;
    }
    atomic_init(&sandbox->holders, 1);
    sandbox->client = wr_client_ref(client);
    return sandbox;
}

int wr_wait_begin(const struct wr_client *client, const struct wr_wait *wait, uint64_t default_ms,
                  struct wr_wait *ret, struct wr_error *err)
{
    struct wr_wait begun = wait ? *wait : (struct wr_wait){0};

    if (begun.cancel && wr_cancel_fired(begun.cancel))
        return wr_fail(err, WR_E_CANCELED, 0, "the call was cancelled before it began");
    if (begun.timeout_ms == 0 && default_ms != WR_WAIT_NO_END)
        begun.timeout_ms = default_ms ? default_ms : client->driver.request_timeout_ms;
    *ret = begun;
    return 0;
}

int wr_call_begin(const struct wr_sandbox *sandbox, const struct wr_wait *wait, uint64_t default_ms,
                  struct wr_call *ret, struct wr_error *err)
{
    struct wr_wait begun = {0};

    if (!sandbox)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no sandbox (NULL)");
    int r = wr_wait_begin(sandbox->client, wait, default_ms, &begun, err);
    if (r == 0)
        *ret = (struct wr_call){.sandbox = &sandbox->access, .wait = begun};
    return r;
}

uint64_t wr_call_default_ms(const struct wr_sandbox *sandbox, uint64_t timeout_ms)
{
    uint64_t sum = 0;

    if (!sandbox || timeout_ms == 0)
        return 0;
    return __builtin_add_overflow(timeout_ms, sandbox->client->driver.request_timeout_ms, &sum)
               ? WR_WAIT_NO_END
               : sum;
}

/* Objects of JSON have each name once. */
static bool is_twice(const char *const *pairs, size_t index)
{
    size_t len = (size_t)(strchr(pairs[index], '=') - pairs[index]) + 1;

    for (size_t i = 0; i < index; i++)
        if (strncmp(pairs[i], pairs[index], len) == 0)
            return true;
    return false;
}

int wr_opts_check_pairs(const char *const *pairs, size_t count, const char *what,
                        struct wr_error *err)
{
    if (count > 0 && !pairs)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: NULL", what);
    for (size_t i = 0; i < count; i++) {
        const char *equals = pairs[i] ? strchr(pairs[i], '=') : NULL;
        if (!equals || equals == pairs[i] || !wr_utf8_valid(pairs[i], strlen(pairs[i])))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%s: \"%.60s\" is not NAME=value in UTF-8", what,
                           pairs[i] ? pairs[i] : "");
        if (is_twice(pairs, i))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: \"%.*s\" is there twice", what,
                           (int)WR_MIN(equals - pairs[i], 60), pairs[i]);
    }
    return 0;
}

int wr_opts_check_text(const char *text, const char *what, struct wr_error *err)
{
    if (!text || !*text)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: missing or empty", what);
    if (!wr_utf8_valid(text, strlen(text)))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: not UTF-8", what);
    return 0;
}
