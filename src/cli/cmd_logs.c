#include "cli/cmd_logs.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/str.h"
#include "client/api_sandbox.h"
#include "json/jread.h"

#define MAX_LOGS ((size_t)64 * 1024 * 1024)

struct values {
    bool json;
};

static const struct wr_opt opts[] = {
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "one JSON object per line: ts, stream, pid, line", 0, 0, false},
};

/* Programs in the sandbox choose these bytes: nothing but text and tabs reaches the terminal. */
static void print_clean(const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        putchar((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c);
    }
}

static void print_record(const char *line, size_t len)
{
    struct wr_error ignored = {0};
    wr_auto_json *json = NULL;

    if (wr_json_parse(line, len, &json, &ignored) < 0)
        return;
    const char *text = json_string_value(json_object_get(json, "line"));
    const char *ts = json_string_value(json_object_get(json, "ts"));
    const char *stream = json_string_value(json_object_get(json, "stream"));
    json_int_t dropped = json_integer_value(json_object_get(json, "dropped"));
    if (dropped > 0)
        printf("(%lld older lines were dropped)\n", (long long)dropped);
    if (!text)
        return;
    print_clean(ts ? ts : "-");
    printf(" %lld ", (long long)json_integer_value(json_object_get(json, "pid")));
    print_clean(stream ? stream : "-");
    fputs(": ", stdout);
    print_clean(text);
    putchar('\n');
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_buf logs = WR_BUF(MAX_LOGS);
    struct wr_transport *client = NULL;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_api_sandbox_logs(client, in->args[0], &logs, err);
    wr_transport_free(client);
    if (r < 0)
        return r;
    if (values->json) {
        fwrite(wr_buf_ptr(&logs), 1, logs.len, stdout);
        return 0;
    }
    while (logs.len > 0) {
        const char *line = wr_buf_ptr(&logs), *end = memchr(line, '\n', logs.len);
        size_t len = end ? (size_t)(end - line) : logs.len;
        print_record(line, len);
        wr_buf_consume(&logs, end ? len + 1 : len);
    }
    return 0;
}

const struct wr_command wr_cmd_logs = {
    .name = "logs",
    .summary = "Show what the programs of a sandbox have printed",
    .usage = "[--json] ID",
    .details =
        "The sandbox keeps the last lines of every program that was started through the API.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
