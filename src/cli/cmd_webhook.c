#include "cli/cmd_webhook.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/actions.h"
#include "cli/event_names.h"
#include "cli/out.h"
#include "cli/team_choice.h"
#include "client/webhooks.h"
#include "json/jread.h"

struct values {
    struct wr_opt_list events;
    const char *name, *secret_file, *team;
    bool json;
};

static const struct wr_opt opts[] = {
    {"event", 'e', WR_OPT_LIST, offsetof(struct values, events), "TYPE",
     "create: only these: created, paused, resumed, updated, checkpointed, killed; may be repeated",
     0, 0, false, NULL},
    {"name", 0, WR_OPT_STRING, offsetof(struct values, name), "NAME",
     "create: what to call it (webhook)", 0, 0, false, NULL},
    {"secret-file", 0, WR_OPT_STRING, offsetof(struct values, secret_file), "FILE",
     "create: the secret of its signatures (one is made, and printed)", 0, 0, false, NULL},
    {"team", 0, WR_OPT_STRING, offsetof(struct values, team), "TEAM",
     "create, ls: id or name of the team whose sandboxes are meant", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "create, ls, test: JSON, as the API has it", 0, 0, false, NULL},
};

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? text : "";
}

static int choose_team(const struct wr_invocation *in, struct wr_transport *client,
                       char id[static 37], const char **ret_team, struct wr_error *err)
{
    const struct values *values = in->values;

    int r = wr_team_choose(client, values->team, id, err);
    if (r == 0)
        *ret_team = *id ? id : NULL;
    return r;
}

/* ---- create ---- */

/* The line's end that editors and `echo` add does not belong to it. */
static int read_secret(const char *path, struct wr_buf *out, struct wr_error *err)
{
    wr_auto_close int file = open(path, O_RDONLY | O_CLOEXEC);
    char text[WR_API_WEBHOOK_SECRET_MAX + 3];

    if (file < 0)
        return wr_fail_errno(err, WR_E_INVALID_ARGUMENT, "%.120s", path);
    ssize_t len = wr_read_full(file, text, sizeof text);
    if (len < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, (int)-len, "%.120s", path);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    bool good = len > 0 && len <= WR_API_WEBHOOK_SECRET_MAX && !memchr(text, 0, (size_t)len) &&
                wr_utf8_valid(text, (size_t)len) && wr_buf_append(out, text, (size_t)len) == 0 &&
                wr_buf_cstr(out);
    explicit_bzero(text, sizeof text);
    return good ? 0
                : wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                          "%.120s: a secret is a text of 1 to %d bytes", path,
                          WR_API_WEBHOOK_SECRET_MAX);
}

static int create(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_buf secret = WR_BUF(WR_API_WEBHOOK_SECRET_MAX + 1);
    wr_auto_json *webhook = NULL;
    struct wr_event_names names;
    const char *team = NULL;
    char team_id[37];

    secret.wipe = true;
    int r = wr_event_names_read(&values->events, &names, err);
    if (r == 0 && values->secret_file)
        r = read_secret(values->secret_file, &secret, err);
    if (r == 0)
        r = choose_team(in, client, team_id, &team, err);
    const struct wr_api_webhook_wish wish = {.name = values->name ? values->name : "webhook",
                                             .url = in->args[1],
                                             .secret = secret.len > 0 ? wr_buf_ptr(&secret) : NULL,
                                             .team_id = team,
                                             .events = names.items,
                                             .event_count = names.count};
    if (r == 0)
        r = wr_api_webhook_create(client, &wish, &webhook, err);
    if (r < 0)
        return r;
    if (values->json)
        return wr_print_json(webhook, err);
    printf("%s\n", text_of(webhook, "id"));
    if (*text_of(webhook, "signatureSecret"))
        fprintf(stderr, "the secret of its signatures, which is not shown again: %s\n",
                text_of(webhook, "signatureSecret"));
    return 0;
}

/* ---- ls, rm, test ---- */

static void add_row(struct wr_table *table, const json_t *webhook)
{
    const json_t *status = json_object_get(webhook, "status");
    char delivered[24], dropped[24];

    if (!wr_strformat(delivered, sizeof delivered, "%lld",
                      (long long)json_integer_value(json_object_get(status, "delivered"))) ||
        !wr_strformat(dropped, sizeof dropped, "%lld",
                      (long long)json_integer_value(json_object_get(status, "dropped"))))
        delivered[0] = dropped[0] = '\0';
    wr_table_cell(table, text_of(webhook, "id"));
    wr_table_cell(table, text_of(webhook, "name"));
    wr_table_cell(table, text_of(status, "state"));
    wr_table_cell(table, delivered);
    wr_table_cell(table, dropped);
    wr_table_cell(table, text_of(webhook, "url"));
    wr_table_cell(table, text_of(status, "failure"));
}

static int list(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    static const char *const headers[] = {"ID",      "NAME", "STATE",  "DELIVERED",
                                          "DROPPED", "URL",  "FAILURE"};
    const struct values *values = in->values;
    wr_auto_json *webhooks = NULL;
    const char *team = NULL;
    struct wr_table table;
    char team_id[37];
    json_t *webhook;
    size_t i;

    int r = choose_team(in, client, team_id, &team, err);
    if (r == 0)
        r = wr_api_webhook_list(client, team, &webhooks, err);
    if (r < 0 || values->json)
        return r < 0 ? r : wr_print_json(webhooks, err);
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(webhooks, i, webhook)
        add_row(&table, webhook);
    r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int no_webhook(const char *id, struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0,
                   "there is no webhook %.60s; `warren webhook ls` lists those that there are", id);
}

static int remove_one(const struct wr_invocation *in, struct wr_transport *client,
                      struct wr_error *err)
{
    int r = wr_api_webhook_remove(client, in->args[1], err);

    return r == -WR_E_NOT_FOUND ? no_webhook(in->args[1], err) : r;
}

static int test_one(const struct wr_invocation *in, struct wr_transport *client,
                    struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_json *outcome = NULL;

    int r = wr_api_webhook_test(client, in->args[1], &outcome, err);
    if (r < 0)
        return r == -WR_E_NOT_FOUND ? no_webhook(in->args[1], err) : r;
    long long status = json_integer_value(json_object_get(outcome, "status"));
    if (values->json && wr_print_json(outcome, err) < 0)
        return -err->code;
    if (!json_is_true(json_object_get(outcome, "delivered")))
        return status ? wr_fail(err, WR_E_UNAVAILABLE, 0, "the receiver answered with status %lld",
                                status)
                      : wr_fail(err, WR_E_UNAVAILABLE, 0, "not delivered: %.200s",
                                text_of(outcome, "failure"));
    if (!values->json)
        printf("delivered: status %lld after %lld ms\n", status,
               (long long)json_integer_value(json_object_get(outcome, "durationMs")));
    return 0;
}

static int wrong_count(const struct wr_invocation *in, const struct wr_cli_action *action,
                       struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "webhook %s: %s", action->name,
                   in->arg_count >= action->min_args  ? "too many arguments"
                   : wr_streq(action->name, "create") ? "the URL is missing"
                                                      : "the id is missing");
}

static const struct wr_cli_action items[] = {
    {.name = "create", .min_args = 2, .max_args = 2, .call = create},
    {.name = "ls", .min_args = 1, .max_args = 1, .call = list},
    {.name = "rm", .min_args = 2, .max_args = 2, .call = remove_one},
    {.name = "test", .min_args = 2, .max_args = 2, .call = test_one},
};

static const struct wr_cli_actions actions = {
    .items = items, .count = WR_ARRAY_SIZE(items), .wrong_count = wrong_count};

const struct wr_command wr_cmd_webhook = {
    .name = "webhook",
    .summary = "Tell another program of what happens to sandboxes",
    .usage = "create URL [--event TYPE]... | ls [--json] | rm ID | test ID",
    .actions = &actions,
    .details =
        "Each event is a POST with a JSON body and a signature (e2b-signature), repeated until the\n"
        "receiver answers with 2xx, for up to a day, in order per sandbox. An event may come twice:\n"
        "its \"id\" tells. URLs that are given here may lead to this host and to private networks;\n"
        "those that teams give through the API may not. test sends an event of its own at once.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 2,
    .run = wr_cli_actions_run,
};
