#include "cli/cmd_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/actions.h"
#include "cli/out.h"
#include "cli/team_choice.h"
#include "client/keys.h"
#include "client/secrets.h"
#include "json/jread.h"

struct values {
    const char *from_file, *team;
    bool json;
};

static const struct wr_opt opts[] = {
    {"from-file", 'f', WR_OPT_STRING, offsetof(struct values, from_file), "FILE",
     "set: read the value from a file instead of standard input", 0, 0, false, NULL},
    {"team", 0, WR_OPT_STRING, offsetof(struct values, team), "TEAM",
     "id or name of the team that has the secret", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "ls: JSON, as the API has it", 0,
     0, false, NULL},
};

/* ---- the value ---- */

/* Without showing what is typed; `*before` is what to go back to. */
static bool hide_typing(struct termios *before)
{
    struct termios silent;

    if (isatty(STDIN_FILENO) != 1 || tcgetattr(STDIN_FILENO, before) < 0)
        return false;
    silent = *before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "value (not shown): ");
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
}

/* Until the end of the input, or of the line that somebody types. */
static int read_all(int fd, bool typed, struct wr_buf *out, struct wr_error *err)
{
    char piece[512];
    ssize_t n = 0;
    int r = 0;

    while (r == 0 && (n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        r = n < 0 ? wr_fail_errno(err, WR_E_INVALID_ARGUMENT, "read the value")
                  : wr_buf_append(out, piece, (size_t)n);
        if (r == -ENOBUFS)
            r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the value has more than %d bytes",
                        WR_API_SECRET_VALUE_MAX);
        if (typed && n > 0 && piece[n - 1] == '\n')
            break;
    }
    explicit_bzero(piece, sizeof piece);
    return r;
}

/* The line's end that editors and `echo` add does not belong to it. */
static int check_value(struct wr_buf *value, struct wr_error *err)
{
    const char *text = wr_buf_ptr(value);

    if (value->len > 0 && text[value->len - 1] == '\n')
        value->len--;
    if (value->len > 0 && text[value->len - 1] == '\r')
        value->len--;
    if (value->len == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the value is empty");
    if (value->len > WR_API_SECRET_VALUE_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the value has more than %d bytes",
                       WR_API_SECRET_VALUE_MAX);
    if (memchr(text, '\0', value->len) || !wr_utf8_valid(text, value->len))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the value is not text in UTF-8");
    return 0;
}

static int read_value(const char *path, struct wr_buf *out, struct wr_error *err)
{
    wr_auto_close int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct termios before;

    if (path && file < 0)
        return wr_fail_errno(err, WR_E_INVALID_ARGUMENT, "%.120s", path);
    bool hidden = !path && hide_typing(&before);
    int r = read_all(path ? file : STDIN_FILENO, hidden, out, err);
    if (hidden) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fprintf(stderr, "\n");
    }
    return r < 0 ? r : check_value(out, err);
}

/* ---- actions ---- */

/* `*ret_team` becomes `id`, or NULL for the default team. */
static int choose_team(const struct wr_invocation *in, struct wr_transport *client,
                       char id[static 37], const char **ret_team, struct wr_error *err)
{
    const struct values *values = in->values;

    int r = wr_team_choose(client, values->team, id, err);
    if (r == 0)
        *ret_team = *id ? id : NULL;
    return r;
}

static int set(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_buf value = WR_BUF(WR_API_SECRET_VALUE_MAX + 2);
    wr_auto_json *secret = NULL;
    const char *team = NULL;
    char team_id[37];

    value.wipe = true;
    int r = choose_team(in, client, team_id, &team, err);
    if (r == 0)
        r = read_value(values->from_file, &value, err);
    const char *text = r == 0 ? wr_buf_cstr(&value) : NULL;
    if (r == 0 && !text)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the secret's value");
    if (r == 0)
        r = wr_secret_set(client, team, in->args[1], text, &secret, err);
    if (r < 0)
        return r;
    printf("%s version %lld\n", json_string_value(json_object_get(secret, "name")),
           (long long)json_integer_value(json_object_get(secret, "currentVersion")));
    return 0;
}

static void add_row(struct wr_table *table, const json_t *secret)
{
    uint64_t now_ms = wr_wall_ms();
    uint64_t at_ms = wr_parse_time(json_string_value(json_object_get(secret, "updatedAt")));
    char span[32], version[24];

    wr_format_span(now_ms > at_ms ? now_ms - at_ms : 0, span, sizeof span);
    if (!wr_strformat(version, sizeof version, "%lld",
                      (long long)json_integer_value(json_object_get(secret, "currentVersion"))))
        version[0] = '\0';
    wr_table_cell(table, json_string_value(json_object_get(secret, "name")));
    wr_table_cell(table, json_string_value(json_object_get(secret, "secretID")));
    wr_table_cell(table, version);
    wr_table_cell(table, span);
}

static int list(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    static const char *const headers[] = {"NAME", "ID", "VERSION", "CHANGED"};
    const struct values *values = in->values;
    wr_auto_json *secrets = NULL;
    const char *team = NULL;
    struct wr_table table;
    char team_id[37];
    json_t *secret;
    size_t i;

    int r = choose_team(in, client, team_id, &team, err);
    if (r == 0)
        r = wr_secret_list(client, team, &secrets, err);
    if (r < 0 || values->json)
        return r < 0 ? r : wr_print_json(secrets, err);
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(secrets, i, secret)
        add_row(&table, secret);
    r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int remove_one(const struct wr_invocation *in, struct wr_transport *client,
                      struct wr_error *err)
{
    const char *team = NULL;
    char team_id[37];

    int r = choose_team(in, client, team_id, &team, err);
    if (r < 0)
        return r;
    r = wr_secret_remove(client, team, in->args[1], err);
    return r == -WR_E_NOT_FOUND
               ? wr_fail(err, WR_E_NOT_FOUND, 0,
                         "there is no secret %.128s; `warren secret ls` lists those that there are",
                         in->args[1])
               : r;
}

static int wrong_count(const struct wr_invocation *in, const struct wr_cli_action *action,
                       struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "secret %s: %s", action->name,
                   in->arg_count < action->min_args ? "the name is missing"
                                                    : "too many arguments; a value never is one");
}

static const struct wr_cli_action items[] = {
    {.name = "set", .min_args = 2, .max_args = 2, .call = set},
    {.name = "ls", .min_args = 1, .max_args = 1, .call = list},
    {.name = "rm", .min_args = 2, .max_args = 2, .call = remove_one},
};

static const struct wr_cli_actions actions = {
    .items = items, .count = WR_ARRAY_SIZE(items), .wrong_count = wrong_count};

const struct wr_command wr_cmd_secret = {
    .name = "secret",
    .summary = "Keep values that requests get on their way out of a sandbox",
    .usage = "set NAME [--from-file FILE] | ls [--json] | rm NAME",
    .actions = &actions,
    .details =
        "set reads the value from standard input, without showing what is typed, or from a file;\n"
        "a line's end behind it does not count. At most 8 KiB. A name that is there gets a new\n"
        "version. Values are never shown again: network.rules name them, ${e2b.secrets.NAME}, and\n"
        "the server puts them into requests outside of the sandbox.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 2,
    .run = wr_cli_actions_run,
};
