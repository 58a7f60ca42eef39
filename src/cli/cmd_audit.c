#include "cli/cmd_audit.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/actions.h"
#include "cli/out.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/secure/audit_line.h"
#include "warren/secure.h"

#define LAST_MAX 100000

struct values {
    const char *expect;
    uint64_t last; /* 0: all */
    bool json;
};

static const struct wr_opt opts[] = {
    {"expect", 0, WR_OPT_STRING, offsetof(struct values, expect), "HASH",
     "verify: what an earlier look printed as last hash has to be in it", 0, 0, false, NULL},
    {"last", 'n', WR_OPT_U64, offsetof(struct values, last), "N", "show: the last N records", 1,
     LAST_MAX, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "verify: one JSON object; show: the lines as they are", 0, 0, false, NULL},
};

/* ---- verify ---- */

static int verify(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_value *report = NULL;

    if (values->last > 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --last is for `warren audit show`");
    int r = wr_audit_verify(in->args[1], values->expect, &report, err);
    if (r < 0)
        return r;
    if (values->json)
        return wr_print_json(wr_value_json(report), err);
    long long records = wr_value_int(report, "records", 0);
    if (records > 0)
        printf("%lld records from %s to %s, none changed or missing\n", records,
               wr_value_string(report, "first_time"), wr_value_string(report, "last_time"));
    else
        printf("no records\n");
    printf("last hash: %s\n", wr_value_string(report, "last_hash"));
    return 0;
}

/* ---- show ---- */

/* The last lines of the file, as a ring. */
struct tail {
    char **lines; /* owned */
    size_t cap, count, next;
    bool all;
};

static void tail_done(struct tail *tail)
{
    for (size_t i = 0; i < tail->count; i++)
        free(tail->lines[i]);
    free(tail->lines);
}

static int grow(struct tail *tail, struct wr_error *err)
{
    size_t cap = tail->cap ? 2 * tail->cap : 256;
    char **lines =
        tail->cap < SIZE_MAX / 4 / sizeof *lines ? realloc(tail->lines, cap * sizeof *lines) : NULL;

    if (!lines)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit log");
    tail->lines = lines;
    tail->cap = cap;
    return 0;
}

static int keep(struct tail *tail, const char *line, size_t len, struct wr_error *err)
{
    char *copy = wr_strndup(line, len);

    if (!copy)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit log");
    if (tail->all && tail->count == tail->cap && grow(tail, err) < 0) {
        free(copy);
        return -err->code;
    }
    if (tail->count < tail->cap) {
        tail->lines[tail->count++] = copy;
        return 0;
    }
    free(tail->lines[tail->next]);
    tail->lines[tail->next] = copy;
    tail->next = (tail->next + 1) % tail->cap;
    return 0;
}

static int read_lines(const char *path, struct tail *tail, struct wr_error *err)
{
    wr_auto_free char *line = NULL;
    FILE *file = fopen(path, "re");
    size_t cap = 0, number = 0;
    int r = 0;

    if (!file)
        return wr_fail_errno(err, wr_code_from_errno(errno), "%.160s", path);
    for (ssize_t n; r == 0 && (n = getline(&line, &cap, file)) > 0;) {
        number++;
        if ((size_t)n > WR_AUDIT_LINE_MAX)
            r = wr_fail(err, WR_E_DATA_LOSS, 0, "%.160s: line %zu is too long for an audit log",
                        path, number);
        else
            r = keep(tail, line, (size_t)n - (line[n - 1] == '\n'), err);
    }
    if (r == 0 && ferror(file))
        r = wr_fail_errno(err, WR_E_UNKNOWN, "read %.160s", path);
    (void)fclose(file);
    return r;
}

static const char *text_of(const json_t *record, const char *name)
{
    const char *text = json_string_value(json_object_get(record, name));

    return text ? text : "";
}

/* What happened: how it ended, why it was refused, or what was asked for. */
static const char *result_of(const json_t *record)
{
    const char *error = text_of(record, "error"), *name = text_of(record, "error_name");

    return *error ? error : *name ? name : text_of(record, "outcome");
}

static void add_row(struct wr_table *table, const json_t *record)
{
    char number[24];

    (void)!wr_strformat(number, sizeof number, "%lld",
                        (long long)json_integer_value(json_object_get(record, "seq")));
    wr_table_cell(table, number);
    wr_table_cell(table, text_of(record, "time"));
    wr_table_cell(table, text_of(record, "event"));
    wr_table_cell(table, text_of(record, "execution"));
    wr_table_cell(table, text_of(record, "sandbox_id"));
    wr_table_cell(table, result_of(record));
}

static int print_table(const char *path, const struct tail *tail, struct wr_error *err)
{
    static const char *const headers[] = {"NUMBER",    "TIME",    "EVENT",
                                          "EXECUTION", "SANDBOX", "RESULT"};
    struct wr_table table;
    int r = 0;

    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    for (size_t i = 0; r == 0 && i < tail->count; i++) {
        const char *line = tail->lines[(tail->next + i) % tail->count];
        wr_auto_json *record = NULL;
        r = wr_json_parse(line, strlen(line), &record, err);
        if (r == 0)
            add_row(&table, record);
        else
            r = wr_fail(err, WR_E_DATA_LOSS, 0,
                        "%.160s is no audit log, or was damaged: `warren audit verify` says where",
                        path);
    }
    if (r == 0)
        r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int show(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    WR_CLEANUP(tail_done) struct tail tail = {.all = values->last == 0};

    if (values->expect)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --expect is for `warren audit verify`");
    if (!tail.all) {
        tail.lines = wr_calloc((size_t)values->last, sizeof *tail.lines);
        tail.cap = (size_t)values->last;
        if (!tail.lines)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit log");
    }
    int r = read_lines(in->args[1], &tail, err);
    if (r < 0 || !values->json)
        return r < 0 ? r : print_table(in->args[1], &tail, err);
    for (size_t i = 0; i < tail.count; i++)
        printf("%s\n", tail.lines[(tail.next + i) % tail.count]);
    return fflush(stdout) != 0 ? wr_fail_errno(err, WR_E_UNKNOWN, "write to standard output") : 0;
}

static const struct wr_cli_action items[] = {
    {.name = "verify", .min_args = 2, .max_args = 2, .run = verify},
    {.name = "show", .min_args = 2, .max_args = 2, .run = show},
};

static int wrong_count(const struct wr_invocation *in, const struct wr_cli_action *action,
                       struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "audit %s: one FILE%s", action->name,
                   in->arg_count > 2 ? ", not several" : ", which is missing");
}

static const struct wr_cli_actions actions = {
    .items = items, .count = WR_ARRAY_SIZE(items), .wrong_count = wrong_count};

const struct wr_command wr_cmd_audit = {
    .name = "audit",
    .summary = "Check and show audit logs",
    .usage = "verify FILE [--expect HASH] [--json] | show FILE [--last N] [--json]",
    .actions = &actions,
    .details =
        "Logs that `warren run --audit FILE` and programs with libwarren write. Each record holds\n"
        "the hash of the one before it: `verify` finds what was changed, removed or put in. That\n"
        "the end was cut off shows by a last hash that was kept elsewhere (--expect). `show` does\n"
        "not verify.\n\n"
        "examples:\n"
        "  warren audit verify audit.jsonl\n"
        "  warren audit show audit.jsonl --last 10",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = WR_OPT_MAX_ARGS,
    .offline = true,
    .run = wr_cli_actions_run,
};
