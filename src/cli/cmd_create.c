#include "cli/cmd_create.h"

#include <stdio.h>

#include "cli/out.h"
#include "cli/sandbox_opts.h"
#include "json/jread.h"
#include "server/main.h"

struct values {
    struct wr_sandbox_values sandbox;
    struct wr_opt_list metadata;
    uint64_t timeout_ms;
    bool json;
};

static const struct wr_opt opts[] = {
    WR_SANDBOX_OPTS(offsetof(struct values, sandbox)),
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "lifetime, e.g. 10m (5m)", 1000, (uint64_t)WR_TIMEOUT_MAX_S * 1000, false},
    {"metadata", 0, WR_OPT_LIST, offsetof(struct values, metadata), "KEY=VALUE",
     "note that lists show (repeatable)", 0, 0, false},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "the whole answer of the API", 0,
     0, false},
};

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_api_sandbox_opts create = wr_api_sandbox_opts_of(&values->sandbox);
    struct wr_transport *client = NULL;
    wr_auto_json *answer = NULL;
    char id[WR_ID_LEN + 1];

    create.timeout_s = (values->timeout_ms + 999) / 1000;
    create.metadata = values->metadata.items;
    create.metadata_count = values->metadata.count;
    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_api_sandbox_create(client, &create, id, &answer, err);
    wr_transport_free(client);
    if (r < 0)
        return r;
    if (values->json)
        return wr_print_json(answer, err);
    printf("%s\n", id);
    return 0;
}

const struct wr_command wr_cmd_create = {
    .name = "create",
    .summary = "Make a sandbox and print its id",
    .usage = "[OPTIONS]",
    .details = "It lives until `warren kill`, or until its lifetime is over.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
