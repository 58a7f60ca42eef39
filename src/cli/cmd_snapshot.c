#include "cli/cmd_snapshot.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/actions.h"
#include "cli/each_id.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "cli/snapshot_tree.h"
#include "client/api_sandbox.h"
#include "client/snapshots.h"
#include "json/jread.h"

#define MAX_TREE ((size_t)16 * 1024 * 1024) /* bytes of its lines */

struct values {
    const char *name, *sandbox;
    bool files_only, json;
};

static const struct wr_opt opts[] = {
    {"name", 0, WR_OPT_STRING, offsetof(struct values, name), "NAME[:TAG]",
     "create: a name for it; list: those that have it", 0, 0, false, NULL},
    {"sandbox", 0, WR_OPT_STRING, offsetof(struct values, sandbox), "ID",
     "list: those of a sandbox", 0, 0, false, NULL},
    {"files-only", 0, WR_OPT_FLAG, offsetof(struct values, files_only), NULL,
     "create: without its memory", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "create, list, tree: JSON, as the API has it; rm: an array", 0, 0, false, NULL},
};

/* ---- create ---- */

static void write_line(char *line, size_t cap, double elapsed_s, void *data)
{
    if (!wr_strformat(line, cap, "making a snapshot of %.80s, %.0f s", (const char *)data,
                      elapsed_s))
        line[0] = '\0';
}

static int create(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    const char *id = in->args[1];
    const struct wr_snapshot_opts snapshot = {.name = values->name,
                                              .files_only = values->files_only};
    struct wr_progress *progress = NULL;
    wr_auto_json *made = NULL;

    int r = wr_progress_start(write_line, (void *)(uintptr_t)id, &progress, err);
    if (r < 0)
        return r;
    r = wr_explain_sandbox(wr_api_snapshot_create(client, id, &snapshot, &made, err), id, err);
    wr_progress_stop(progress);
    if (r < 0)
        return r;
    if (values->json)
        return wr_print_json(made, err);
    printf("%s\n", json_string_value(json_object_get(made, "snapshotID")));
    return 0;
}

/* ---- list ---- */

static void add_row(struct wr_table *table, const json_t *item, uint64_t now_ms)
{
    const json_t *memory = json_object_get(item, "memory");
    uint64_t at_ms = wr_parse_time(json_string_value(json_object_get(item, "createdAt")));
    json_int_t bytes = json_integer_value(json_object_get(item, "bytes"));
    char text[32];

    wr_table_cell(table, json_string_value(json_object_get(item, "snapshotID")));
    wr_table_cell(table, json_string_value(json_object_get(item, "sandboxID")));
    wr_table_cell(table, json_string_value(json_object_get(item, "template")));
    wr_table_cell(table, json_is_false(memory) ? "files" : "memory");
    wr_format_size(bytes > 0 ? (uint64_t)bytes : 0, text, sizeof text);
    wr_table_cell(table, text);
    wr_format_span(now_ms > at_ms ? now_ms - at_ms : 0, text, sizeof text);
    wr_table_cell(table, text);
}

static int list(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    static const char *const headers[] = {"SNAPSHOT", "SANDBOX", "TEMPLATE", "KIND", "SIZE", "AGE"};
    const struct values *values = in->values;
    const struct wr_snapshot_list_opts wanted = {.sandbox_id = values->sandbox,
                                                 .name = values->name};
    wr_auto_json *snapshots = NULL;
    struct wr_table table;
    json_t *item;
    size_t i;

    int r = wr_api_snapshot_list(client, &wanted, &snapshots, err);
    if (r < 0 || values->json)
        return r < 0 ? r : wr_print_json(snapshots, err);
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(snapshots, i, item)
        add_row(&table, item, wr_wall_ms());
    r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

/* ---- tree, rm ---- */

static int no_snapshot(int r, const char *id, const char *kind, struct wr_error *err)
{
    return r == -WR_E_NOT_FOUND ? wr_fail(err, WR_E_NOT_FOUND, 0,
                                          "there is no %s %.80s; `warren snapshot list` lists "
                                          "those that there are",
                                          kind, id)
                                : r;
}

static int tree(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    const char *id = in->args[1];
    wr_auto_buf lines = WR_BUF(MAX_TREE);
    wr_auto_json *nodes = NULL;

    int r = wr_api_snapshot_tree(client, id, &nodes, err);
    if (r < 0)
        return no_snapshot(r, id, "sandbox or snapshot", err);
    if (values->json)
        return wr_print_json(nodes, err);
    r = wr_snapshot_tree_write(nodes, id, &lines, err);
    if (r == 0 &&
        (fwrite(wr_buf_ptr(&lines), 1, lines.len, stdout) != lines.len || fflush(stdout) != 0))
        r = wr_fail_errno(err, WR_E_UNKNOWN, "write to standard output");
    return r;
}

static int remove_one(struct wr_transport *client, const char *id, const void *data, json_t **ret,
                      struct wr_error *err)
{
    (void)data;
    int r = wr_api_snapshot_remove(client, id, err);
    if (r < 0)
        return no_snapshot(r, id, "snapshot", err);
    json_t *result = json_pack("{s:s}", "snapshotID", id);
    if (!result)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "result");
    *ret = result;
    return 0;
}

static void print_removed(const json_t *result)
{
    printf("%s\n", json_string_value(json_object_get(result, "snapshotID")));
}

static int remove_all(const struct wr_invocation *in, struct wr_transport *client,
                      struct wr_error *err)
{
    const struct values *values = in->values;
    const struct wr_each each = {
        .doing = "removing", .run = remove_one, .print = print_removed, .json = values->json};

    return wr_each_run(&each, client, in->args + 1, in->arg_count - 1, err);
}

/* ---- the command ---- */

enum { CREATE, LIST, LS, TREE, RM };

static const struct wr_cli_action items[] = {
    [CREATE] = {.name = "create", .min_args = 2, .max_args = 2, .call = create},
    [LIST] = {.name = "list", .min_args = 1, .max_args = 1, .call = list},
    [LS] = {.name = "ls", .min_args = 1, .max_args = 1, .call = list},
    [TREE] = {.name = "tree", .min_args = 2, .max_args = 2, .call = tree},
    [RM] = {.name = "rm", .min_args = 2, .max_args = WR_OPT_MAX_ARGS, .call = remove_all},
};

/* What each takes; --json all of them. */
static const struct {
    const char *usage;
    bool name, sandbox, files_only;
} takes[] = {
    [CREATE] = {"create ID [--name NAME[:TAG]] [--files-only] [--json]", true, false, true},
    [LIST] = {"list [--sandbox ID] [--name NAME] [--json]", true, true, false},
    [LS] = {"ls [--sandbox ID] [--name NAME] [--json]", true, true, false},
    [TREE] = {"tree ID [--json]", false, false, false},
    [RM] = {"rm SNAPSHOT... [--json]", false, false, false},
};

static int wrong_count(const struct wr_invocation *in, const struct wr_cli_action *action,
                       struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "snapshot %s: too %s arguments; usage: warren snapshot %s", action->name,
                   in->arg_count < action->min_args ? "few" : "many", takes[action - items].usage);
}

/* An option of another action would be forgotten without a word. */
static int check(const struct wr_invocation *in, const struct wr_cli_action *action,
                 struct wr_error *err)
{
    const struct values *values = in->values;
    const size_t i = (size_t)(action - items);
    const char *foreign = NULL;

    if (values->name && !takes[i].name)
        foreign = "--name";
    else if (values->sandbox && !takes[i].sandbox)
        foreign = "--sandbox";
    else if (values->files_only && !takes[i].files_only)
        foreign = "--files-only";
    if (foreign)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "snapshot %s: %s is for another action; usage: warren snapshot %s",
                       action->name, foreign, takes[i].usage);
    return values->sandbox ? wr_api_sandbox_id_check(values->sandbox, err) : 0;
}

static const struct wr_cli_actions actions = {
    .items = items, .count = WR_ARRAY_SIZE(items), .check = check, .wrong_count = wrong_count};

const struct wr_command wr_cmd_snapshot = {
    .name = "snapshot",
    .summary = "Make, list and remove snapshots of sandboxes",
    .usage = "create ID [--name NAME[:TAG]] [--files-only] | list [--sandbox ID] [--name NAME] | "
             "tree ID | rm SNAPSHOT...",
    .actions = &actions,
    .details =
        "A snapshot is what a sandbox was at one moment, files and memory. It stays when the\n"
        "sandbox ends, and is a template: `warren create --template SNAPSHOT` makes sandboxes that\n"
        "go on from there; `warren rollback` brings the sandbox itself back to it. The sandbox\n"
        "stands still for a moment while one is made. tree shows what came from what, around a\n"
        "sandbox or a snapshot.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = WR_OPT_MAX_ARGS,
    .run = wr_cli_actions_run,
};
