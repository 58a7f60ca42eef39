#include "cli/execution_chain.h"

#include <limits.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/text_file.h"
#include "json/value.h"
#include "primitives/ledger/state_dir.h"
#include "warren/cache.h"
#include "warren/executor.h"
#include "warren/recovery.h"
#include "warren/secure.h"

#define LEDGER_FILE "ledger.db"
#define CACHE_FILE  "cache.db"
#define POLICY_MAX  ((size_t)1024 * 1024) /* bytes of a file with rules */
/* Characters of each text of a result: what --json shows and a cache keeps. */
#define OUTPUT_MAX  ((size_t)1000000)

struct chain {
    const struct wr_chain_opts *opts;
    struct wr_sandbox_opts sandbox;
    struct wr_value *policy;          /* owned; NULL: the default rules, or none */
    struct wr_client *client, *other; /* owned; `other`: of the fallback, or NULL */
    char ledger[PATH_MAX], cache[PATH_MAX];
};

static void chain_done(struct chain *chain)
{
    wr_value_free(chain->policy);
    wr_client_free(chain->client);
    wr_client_free(chain->other);
}

/* ---- what the options name ---- */

static int read_policy(struct chain *chain, struct wr_error *err)
{
    const char *file = chain->opts->values->policy;
    wr_auto_buf text = WR_BUF(POLICY_MAX);

    if (!file || wr_streq(file, "default"))
        return 0;
    int r = wr_text_file_read(file, &text, err);
    if (r == 0)
        r = wr_value_parse(text.len ? wr_buf_ptr(&text) : "", text.len, &chain->policy, err);
    return r < 0 ? wr_wrap(err, "option --policy") : 0;
}

static int make_clients(struct chain *chain, struct wr_error *err)
{
    const struct wr_chain_opts *opts = chain->opts;

    int r = wr_cli_client(opts->in, opts->values->backend, opts->cancel, &chain->client, err);
    if (r < 0 || !opts->values->fallback)
        return r;
    if (wr_client_backend(chain->client) != WR_BACKEND_E2B)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --fallback: %.100s is on this machine already; it is for --backend "
                       "e2b",
                       wr_client_name(chain->client));
    return wr_cli_client(opts->in, WR_CHOICE_PRIVATE, opts->cancel, &chain->other, err);
}

static int prepare(struct chain *chain, struct wr_error *err)
{
    int r = read_policy(chain, err);

    if (r == 0)
        r = wr_state_path(LEDGER_FILE, chain->ledger, sizeof chain->ledger, err);
    if (r == 0)
        r = wr_state_path(CACHE_FILE, chain->cache, sizeof chain->cache, err);
    if (r == 0)
        r = make_clients(chain, err);
    return r;
}

/* ---- the primitives ---- */

static struct wr_primitive *make_executor(const struct chain *chain, struct wr_client *client,
                                          struct wr_error *err)
{
    unsigned size = chain->opts->pool_size;

    return wr_executor_new(
        client,
        WR_OPTS(wr_executor_opts, .mode = size > 0 ? WR_POOLED : WR_EPHEMERAL,
                .supply_opts =
                    WR_OPTS(wr_supply_opts, .sandbox = &chain->sandbox, .size = size, .max = size),
                .max_output = OUTPUT_MAX, .ledger_path = chain->ledger),
        err);
}

static struct wr_primitive *make_secure(const struct chain *chain, struct wr_client *client,
                                        struct wr_error *err)
{
    const struct wr_primitive_values *values = chain->opts->values;
    const struct wr_redactor_opts redactor = {.struct_size = sizeof redactor,
                                              .patterns = values->redact_patterns.items,
                                              .pattern_count = values->redact_patterns.count};
    bool redacts = values->redact || values->redact_patterns.count > 0;
    struct wr_primitive *executor = make_executor(chain, client, err);

    if (!redacts && !values->policy && !values->audit)
        return executor;
    return wr_secure_new(executor,
                         WR_OPTS(wr_secure_opts, .policy = chain->policy,
                                 .no_policy = !values->policy, .checker_client = client,
                                 .redactor = &redactor, .no_redaction = !redacts,
                                 .audit_path = values->audit),
                         err);
}

static struct wr_primitive *make_fallback(const struct chain *chain, struct wr_error *err)
{
    struct wr_primitive *primary = make_secure(chain, chain->client, err);
    struct wr_primitive *other =
        primary && chain->other ? make_secure(chain, chain->other, err) : NULL;

    return chain->other ? wr_fallback_new(primary, other, NULL, err) : primary;
}

static struct wr_primitive *make_cache(const struct chain *chain, struct wr_primitive *inner,
                                       struct wr_error *err)
{
    if (!inner || !chain->opts->values->cache)
        return inner;
    struct wr_cache_store *store = wr_cache_sqlite(chain->cache, 0, err);
    if (!store)
        return wr_primitive_free(inner);
    return wr_cache_new(
        inner, WR_OPTS(wr_cache_opts, .store = store, .ttl_ms = chain->opts->values->cache_ttl_ms),
        err);
}

int wr_chain_new(const struct wr_chain_opts *opts, struct wr_primitive **ret, struct wr_error *err)
{
    WR_CLEANUP(chain_done)
    struct chain chain = {.opts = opts, .sandbox = wr_sandbox_opts_of(opts->sandbox)};
    unsigned retries = (unsigned)opts->values->retry;

    /* Variables are part of the input: the cache's keys and the redactor know them then. */
    chain.sandbox.envs = NULL;
    chain.sandbox.env_count = 0;
    int r = prepare(&chain, err);
    if (r < 0)
        return r;
    struct wr_primitive *primitive = make_fallback(&chain, err);
    if (retries > 0)
        primitive = wr_retry_new(primitive, WR_OPTS(wr_retry_opts, .max_retries = retries), err);
    primitive = make_cache(&chain, primitive, err);
    if (!primitive)
        return -err->code;
    *ret = primitive;
    return 0;
}
