#include "cli/cmd_criu.h"

#include <stdio.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/actions.h"
#include "cli/criu_build.h"
#include "cli/criu_check.h"
#include "cli/out.h"
#include "json/jread.h"

struct values {
    const char *directory;
    bool json, quiet;
};

static const struct wr_opt opts[] = {
    {"directory", 0, WR_OPT_STRING, offsetof(struct values, directory), "DIR",
     "install: put it there instead of " WR_CRIU_DIRECTORY, 0, 0, false},
    {"quiet", 'q', WR_OPT_FLAG, offsetof(struct values, quiet), NULL, "install: no progress", 0, 0,
     false},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "one JSON object", 0, 0, false},
};

static int need_root(const char *action, struct wr_error *err)
{
    if (geteuid() == 0)
        return 0;
    return wr_fail(err, WR_E_PERMISSION_DENIED, 0, "criu %s needs root: run `sudo warren criu %s`",
                   action, action);
}

static int print_installed(const struct values *values, const struct wr_criu *criu, bool was_there,
                           struct wr_error *err)
{
    if (values->json) {
        wr_auto_json *json = json_pack("{s:s, s:s, s:b}", "path", criu->path, "version",
                                       criu->version, "wasThere", was_there);
        return wr_print_json(json, err);
    }
    printf("criu %s is ready%s: %s\n", criu->version, was_there ? " (it was there)" : "",
           criu->path);
    if (values->directory)
        printf("the server uses it with the setting `criu = %s`\n", criu->path);
    return 0;
}

static int install(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct wr_criu_build_opts options = {
        .directory = values->directory ? values->directory : WR_CRIU_DIRECTORY,
        .progress = values->quiet ? NULL : stderr,
    };
    struct wr_criu criu;
    char path[WR_CRIU_PATH_MAX];
    bool was_there = false;

    if (!wr_strformat(path, sizeof path, "%s/criu", options.directory) || !*options.directory)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --directory: empty, or longer than %d bytes", WR_CRIU_PATH_MAX - 6);
    int r = need_root("install", err);
    if (r == 0)
        r = wr_criu_build(&options, &was_there, err);
    if (r == 0)
        r = wr_criu_find(path, &criu, err);
    return r < 0 ? r : print_installed(values, &criu, was_there, err);
}

static int check(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_criu_check found;

    int r = need_root("check", err);
    if (r < 0)
        return r;
    wr_criu_check(wr_criu_setting(in->conf), &found);
    if (values->json) {
        wr_auto_json *json = json_pack("{s:b, s:s?, s:s?, s:s?}", "works", found.works, "path",
                                       *found.criu.path ? found.criu.path : NULL, "version",
                                       *found.criu.version ? found.criu.version : NULL, "reason",
                                       found.works ? NULL : found.why.msg);
        r = wr_print_json(json, err);
        return r < 0 ? r : !found.works;
    }
    if (found.works)
        printf("criu %s works: sandboxes can be paused to the disk, snapshotted and forked (%s)\n",
               found.criu.version, found.criu.path);
    else
        printf(
            "sandboxes can be frozen and resumed in memory, and saved without memory, only: %s\n",
            found.why.msg);
    return !found.works;
}

static const struct wr_cli_action items[] = {
    {.name = "check", .min_args = 1, .max_args = 1, .run = check},
    {.name = "install", .min_args = 1, .max_args = 1, .run = install},
};

static const struct wr_cli_actions actions = {.items = items, .count = WR_ARRAY_SIZE(items)};

const struct wr_command wr_cmd_criu = {
    .name = "criu",
    .summary = "Build the CRIU that pauses sandboxes to the disk, or check it",
    .usage = "install [--directory DIR] [--json] | check [--json]",
    .actions = &actions,
    .details =
        "install builds it from Debian's source as one static program (20 s, and the packages that\n"
        "this takes, when they are missing; DEBIAN_MIRROR names another mirror). A distribution's\n"
        "own cannot save a sandbox.\n"
        "check saves and restores two small processes. It ends with 0 when that works, else with 1.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 1,
    .run = wr_cli_actions_run,
};
