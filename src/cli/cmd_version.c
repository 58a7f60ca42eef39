#include "cli/cmd_version.h"

#include <stdio.h>

#include "cli/out.h"
#include "client/request.h"
#include "client/start.h"
#include "json/jread.h"

struct values {
    bool json;
};

static const struct wr_opt opts[] = {
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "one JSON object", 0, 0, false},
};

/* NULL when no server runs: this command starts none. */
static json_t *ask_server(const struct wr_invocation *in)
{
    struct wr_connect_opts connect = {.socket_path = in->common->socket_path, .no_start = true};
    struct wr_transport_request request = {.method = "GET", .target = "/version"};
    struct wr_transport *client = NULL;
    struct wr_error ignored = {0};
    json_t *answer = NULL;

    if (wr_transport_connect(&connect, &client, &ignored) < 0 ||
        wr_transport_request_json(client, &request, &answer, &ignored) < 0)
        answer = NULL;
    wr_transport_free(client);
    return answer;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_json *server = ask_server(in);
    const char *version = json_string_value(json_object_get(server, "version"));

    if (values->json) {
        wr_auto_json *all = json_pack("{s:s, s:o?}", "version", WR_VERSION, "serverVersion",
                                      version ? json_string(version) : NULL);
        return wr_print_json(all, err);
    }
    printf("warren %s\n", WR_VERSION);
    if (version)
        printf("server %s\n", version);
    return 0;
}

const struct wr_command wr_cmd_version = {
    .name = "version",
    .summary = "Show the versions of this program and of the server that runs",
    .usage = "[--json]",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
