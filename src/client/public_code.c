#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "client/handles.h"

#define DEFAULT_LANGUAGE   "python"
#define DEFAULT_MAX_OUTPUT (16 * WR_MIB)

static int check_opts(const struct wr_code_opts *opts, struct wr_error *err)
{
    if (!opts->code || !wr_utf8_valid(opts->code, strlen(opts->code)))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "code: missing, or not UTF-8");
    if (opts->language && opts->context_id)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "code: language and context_id exclude each other; a context has its "
                       "language");
    return wr_opts_check_pairs(opts->envs, opts->env_count, "code: envs", err);
}

int wr_code_run(struct wr_sandbox *sandbox, const struct wr_code_opts *opts,
                const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_code_opts own;
    struct wr_call call = {0};

    int r = wr_options_read(opts, &own, sizeof own, "wr_code_opts", err);
    if (r == 0)
        r = check_opts(&own, err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, wr_call_default_ms(sandbox, own.timeout_ms), &call, err);
    if (r < 0)
        return r;
    if (!own.language && !own.context_id)
        own.language = DEFAULT_LANGUAGE;
    if (own.max_output == 0)
        own.max_output = DEFAULT_MAX_OUTPUT;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->code_run(driver->self, &call, &own, ret, err);
}

int wr_code_context_create(struct wr_sandbox *sandbox, const char *language, const char *cwd,
                           const struct wr_wait *wait, char ret_id[WR_CONTEXT_ID_MAX],
                           struct wr_error *err)
{
    const struct wr_context_spec spec = {language ? language : DEFAULT_LANGUAGE, cwd};
    struct wr_call call = {0};

    int r = wr_opts_check_text(spec.language, "context: language", err);
    if (r == 0 && cwd)
        r = wr_opts_check_text(cwd, "context: cwd", err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->context_create(driver->self, &call, &spec, ret_id, err);
}

int wr_code_context_list(struct wr_sandbox *sandbox, const struct wr_wait *wait,
                         struct wr_value **ret, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->context_list(driver->self, &call, ret, err);
}

int wr_code_context_restart(struct wr_sandbox *sandbox, const char *id, const struct wr_wait *wait,
                            struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_opts_check_text(id, "context: id", err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->context_restart(driver->self, &call, id, err);
}

int wr_code_context_remove(struct wr_sandbox *sandbox, const char *id, const struct wr_wait *wait,
                           struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_opts_check_text(id, "context: id", err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->context_remove(driver->self, &call, id, err);
}
