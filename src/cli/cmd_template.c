#include "cli/cmd_template.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/actions.h"
#include "cli/out.h"
#include "json/jread.h"
#include "template/import.h"
#include "template/make.h"
#include "template/store.h"

struct values {
    const char *from, *name;
    bool json, force, quiet;
};

static const struct wr_opt opts[] = {
    {"from", 0, WR_OPT_STRING, offsetof(struct values, from), "DIR|TAR",
     "make-base: from a root file system that is there", 0, 0, false},
    {"name", 'n', WR_OPT_STRING, offsetof(struct values, name), "NAME",
     "make, make-base: name of the template, if another", 0, 0, false},
    {"force", 0, WR_OPT_FLAG, offsetof(struct values, force), NULL,
     "make, make-base: again although it is there", 0, 0, false},
    {"quiet", 'q', WR_OPT_FLAG, offsetof(struct values, quiet), NULL,
     "make, make-base: no progress", 0, 0, false},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "ls: a JSON array", 0, 0, false},
};

/* Without a server: the templates are files, and making them needs none. Only `make` makes the
 * directory. */
static int open_data_dir(const struct wr_invocation *in, bool make, int *ret_fd,
                         struct wr_error *err)
{
    if (geteuid() != 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       "templates in %s belong to root; run this command as root",
                       in->common->data_dir);
    if (!make && access(in->common->data_dir, F_OK) < 0 && errno == ENOENT)
        return wr_fail(err, WR_E_NOT_FOUND, 0,
                       "there is no data directory %s; `warren template make-base` makes it",
                       in->common->data_dir);
    return wr_data_dir_open(in->common->data_dir, ret_fd, err);
}

struct listing {
    json_t *json;
    struct wr_table *table;
    bool failed;
};

static void on_template(const struct wr_template *t, void *data)
{
    struct listing *listing = data;
    uint64_t now = wr_wall_ms();
    char text[32], created[25], aliases[128] = "";

    wr_format_rfc3339(t->created_ms, created);
    json_t *names = json_array();
    for (size_t i = 0; i < t->alias_count; i++) {
        size_t used = strlen(aliases);
        if (json_array_append_new(names, json_string(t->aliases[i])) < 0)
            listing->failed = true;
        if (!wr_strformat(aliases + used, sizeof aliases - used, "%s%s", i ? "," : "",
                          t->aliases[i]))
            aliases[used] = '\0'; /* the JSON has them all */
    }
    json_t *item = json_pack("{s:s, s:o, s:I, s:I, s:s}", "name", t->name, "aliases", names,
                             "layers", (json_int_t)t->layer_count, "sizeBytes",
                             (json_int_t)t->size_bytes, "createdAt", created);
    if (!item || json_array_append_new(listing->json, item) < 0)
        listing->failed = true;
    wr_table_cell(listing->table, t->name);
    wr_table_cell(listing->table, aliases[0] ? aliases : "-");
    if (!wr_strformat(text, sizeof text, "%zu", t->layer_count))
        text[0] = '\0';
    wr_table_cell(listing->table, text);
    wr_format_size(t->size_bytes, text, sizeof text);
    wr_table_cell(listing->table, text);
    wr_format_span(now > t->created_ms ? now - t->created_ms : 0, text, sizeof text);
    wr_table_cell(listing->table, text);
}

static int list(const struct wr_invocation *in, struct wr_error *err)
{
    static const char *const headers[] = {"NAME", "ALIASES", "LAYERS", "SIZE", "AGE"};
    const struct values *values = in->values;
    wr_auto_json *json = json_array();
    struct wr_table table;
    struct listing listing = {.json = json, .table = &table};
    wr_auto_close int fd = -1;

    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    int r = open_data_dir(in, false, &fd, err);
    if (r == 0)
        r = wr_template_list(fd, on_template, &listing, err);
    if (r == 0 && listing.failed)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of templates");
    if (r == 0)
        r = values->json ? wr_print_json(json, err) : wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int make(const struct wr_invocation *in, const struct wr_definition *d, struct wr_error *err)
{
    const struct values *values = in->values;
    const char *name = values->name ? values->name : d->name;
    FILE *progress = values->quiet ? NULL : stderr;
    bool was_there = false;
    wr_auto_close int fd = -1;

    if (!wr_template_name_valid(name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --name: \"%.40s\" is not a template name (a-z, 0-9, '.', '_', '-')",
                       name);
    int r = open_data_dir(in, true, &fd, err);
    if (r < 0)
        return r;
    if (values->from) {
        r = wr_template_import(fd, name, values->from, progress, err);
    } else {
        struct wr_make_opts options = {.name = name,
                                       .force = values->force,
                                       .progress = progress,
                                       .ret_was_there = &was_there};
        r = wr_template_make(fd, d, &options, err);
    }
    if (r == 0)
        printf("template %s is ready%s\n", name, was_there ? " (its layer was there)" : "");
    return r;
}

static int make_base(const struct wr_invocation *in, struct wr_error *err)
{
    return make(in, wr_definition_at(0), err);
}

/* "base, code-interpreter-full" */
static const char *definition_names(char *out, size_t cap)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; wr_definition_at(i); i++) {
        if (!wr_strformat(out + used, cap - used, "%s%s", i ? ", " : "", wr_definition_at(i)->name))
            out[used] = '\0';
        used = strlen(out);
    }
    return out;
}

static int make_named(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const char *name = in->arg_count > 1 ? in->args[1] : "";
    const struct wr_definition *d = wr_definition_find(name);
    char names[200];

    if (!d)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "template make: \"%.40s\" is not one of %s; 'warren template make-base "
                       "--from' makes a template of a root file system",
                       name, definition_names(names, sizeof names));
    if (values->from)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --from goes with 'warren template make-base'");
    return make(in, d, err);
}

static int remove_one(const struct wr_invocation *in, struct wr_error *err)
{
    wr_auto_close int fd = -1;

    if (in->arg_count < 2)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "template rm: the name is missing");
    int r = open_data_dir(in, false, &fd, err);
    return r < 0 ? r : wr_template_remove(fd, in->args[1], err);
}

static const struct wr_cli_action items[] = {
    {.name = "ls", .min_args = 1, .max_args = 1, .run = list},
    {.name = "make", .min_args = 1, .max_args = 2, .run = make_named},
    {.name = "make-base", .min_args = 1, .max_args = 1, .run = make_base},
    {.name = "rm", .min_args = 1, .max_args = 2, .run = remove_one},
};

static const struct wr_cli_actions actions = {.items = items, .count = WR_ARRAY_SIZE(items)};

const struct wr_command wr_cmd_template = {
    .name = "template",
    .summary = "List, make and remove templates",
    .usage = "ls | make NAME | make-base [--from DIR|TAR] [--name NAME] | rm NAME",
    .actions = &actions,
    .details =
        "make makes one of Warren's own templates:\n"
        "  base                   Debian 13 with Python, Node and common tools, by mmdebstrap (about a\n"
        "                         minute and 300 MB of downloads); also \"code-interpreter-v1\"\n"
        "  code-interpreter-full  base with R, Java and more packages for Python, as a layer on it (a\n"
        "                         minute and 500 MB of downloads more)\n"
        "make-base is make base, or with --from makes a template out of a directory or a tar archive\n"
        "(plain, gzip, xz, zstd) that holds a root file system.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 2,
    .run = wr_cli_actions_run,
};
