#include "cli/cmd_volume.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/actions.h"
#include "cli/new_file.h"
#include "cli/out.h"
#include "cli/program.h"
#include "client/files.h"
#include "client/volumes.h"
#include "engine/action.h"
#include "json/jread.h"

struct values {
    uint64_t size_bytes;
    bool json;
};

static const struct wr_opt opts[] = {
    {"size", 0, WR_OPT_SIZE, offsetof(struct values, size_bytes), "SIZE",
     "create: most bytes that it holds (1G)", WR_ACTION_VOLUME_BYTES_MIN,
     WR_ACTION_VOLUME_BYTES_MAX, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "create, ls: JSON, as the API has it", 0, 0, false, NULL},
};

/* ---- create, ls, rm ---- */

static int create(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_json *volume = NULL;

    int r = wr_api_volume_create(client, in->args[1], values->size_bytes, &volume, err);
    if (r < 0)
        return r;
    if (values->json)
        return wr_print_json(volume, err);
    printf("%s\n", json_string_value(json_object_get(volume, "volumeID")));
    return 0;
}

static void add_row(struct wr_table *table, const json_t *volume)
{
    uint64_t now_ms = wr_wall_ms();
    uint64_t at_ms = wr_parse_time(json_string_value(json_object_get(volume, "createdAt")));
    char age[32], size[32];

    wr_format_span(now_ms > at_ms ? now_ms - at_ms : 0, age, sizeof age);
    wr_format_size((uint64_t)json_integer_value(json_object_get(volume, "sizeBytes")), size,
                   sizeof size);
    wr_table_cell(table, json_string_value(json_object_get(volume, "name")));
    wr_table_cell(table, json_string_value(json_object_get(volume, "volumeID")));
    wr_table_cell(table, size);
    wr_table_cell(table, age);
}

static int list(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    static const char *const headers[] = {"NAME", "ID", "SIZE", "AGE"};
    const struct values *values = in->values;
    wr_auto_json *volumes = NULL;
    struct wr_table table;
    json_t *volume;
    size_t i;

    int r = wr_api_volume_list(client, &volumes, err);
    if (r < 0 || values->json)
        return r < 0 ? r : wr_print_json(volumes, err);
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(volumes, i, volume)
        add_row(&table, volume);
    r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int remove_one(const struct wr_invocation *in, struct wr_transport *client,
                      struct wr_error *err)
{
    char id[WR_VOLUME_ID_LEN + 1];

    int r = wr_api_volume_find(client, in->args[1], id, err);
    /* Data without a record is in no list. */
    if (r == -WR_E_NOT_FOUND && wr_strcopy(id, sizeof id, in->args[1]) &&
        strlen(id) == WR_VOLUME_ID_LEN)
        r = 0;
    return r < 0 ? r : wr_api_volume_remove(client, id, err);
}

/* ---- cp ---- */

struct job {
    struct wr_transport *client;
    char id[WR_VOLUME_ID_LEN + 1];
    struct wr_file_at at;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int put(struct job *job, const char *host, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    struct wr_file_source source = {0};
    size_t len = strlen(job->at.path);
    bool into_dir = len == 0 || job->at.path[len - 1] == '/';
    wr_auto_free char *path = wr_asprintf("%s%s", job->at.path, into_dir ? base_name(host) : "");

    if (!path)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    if (wr_streq(host, "-"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "volume cp: - is standard output only; what comes from a program has to be "
                       "a file first");
    int r = wr_open_regular(host, &fd, &source.length, err);
    if (r < 0)
        return r;
    source.fd = fd;
    job->at.path = path;
    return wr_file_upload(job->client, &job->at, &source, err);
}

static int fill(int fd, void *data, struct wr_error *err)
{
    const struct job *job = data;

    return wr_file_download(job->client, &job->at, fd, INT64_MAX, err);
}

static int get(struct job *job, const char *host, struct wr_error *err)
{
    const char *name = base_name(job->at.path);
    struct stat st;

    if (wr_streq(host, "-"))
        return fill(STDOUT_FILENO, job, err);
    if (stat(host, &st) < 0 || !S_ISDIR(st.st_mode))
        return wr_new_file(host, fill, job, err);
    if (!*name || wr_streq(name, ".") || wr_streq(name, ".."))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.100s has no file name", job->at.path);
    wr_auto_free char *path = wr_asprintf("%s/%s", host, name);
    return path ? wr_new_file(path, fill, job, err)
                : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
}

/* The side with a colon before any slash is in a volume. */
static const char *remote_path(const char *text)
{
    const char *colon = text + strcspn(text, ":/");

    return *colon == ':' && colon > text ? colon + 1 : NULL;
}

static int copy(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const char *from = remote_path(in->args[1]), *to = remote_path(in->args[2]);
    struct job job = {.client = client};

    if (!from == !to)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "volume cp: exactly one side must be VOLUME:PATH");
    const char *side = from ? in->args[1] : in->args[2], *path = from ? from : to;
    wr_auto_free char *name = wr_strndup(side, (size_t)(path - side) - 1);
    int r = name ? wr_api_volume_find(client, name, job.id, err)
                 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    if (r < 0)
        return r;
    job.at = (struct wr_file_at){.volume_id = job.id, .path = path};
    return from ? get(&job, in->args[2], err) : put(&job, in->args[1], err);
}

static int wrong_count(const struct wr_invocation *in, const struct wr_cli_action *action,
                       struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "volume %s: %zu argument%s, not %zu",
                   action->name, action->max_args - 1, action->max_args == 2 ? "" : "s",
                   in->arg_count - 1);
}

static const struct wr_cli_action items[] = {
    {.name = "create", .min_args = 2, .max_args = 2, .call = create},
    {.name = "ls", .min_args = 1, .max_args = 1, .call = list},
    {.name = "rm", .min_args = 2, .max_args = 2, .call = remove_one},
    {.name = "cp", .min_args = 3, .max_args = 3, .call = copy},
};

static const struct wr_cli_actions actions = {
    .items = items, .count = WR_ARRAY_SIZE(items), .wrong_count = wrong_count};

const struct wr_command wr_cmd_volume = {
    .name = "volume",
    .summary = "Make, list and remove volumes, and copy their files",
    .usage = "create NAME [--size SIZE] | ls [--json] | rm NAME | cp FILE NAME:PATH | "
             "cp NAME:PATH FILE",
    .actions = &actions,
    .details = "A volume is a directory that outlives sandboxes; run and create mount it with\n"
               "--volume NAME:/PATH. It can be removed when no sandbox has it mounted. cp copies\n"
               "one file; FILE - is standard output.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 3,
    .run = wr_cli_actions_run,
};
