#include "primitives/testing/project_input.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "primitives/execute/execution_input.h"

static int wrong(struct wr_error *err, const char *name, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s: %s", name, why);
}

static bool is_plain(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) > 0 &&
           strlen(json_string_value(value)) == json_string_length(value);
}

static int read_path(const json_t *value, struct wr_project_input *ret, struct wr_error *err)
{
    if (!is_plain(value))
        return wrong(err, "project", "no path");
    ret->path = json_string_value(value);
    return 0;
}

static int read_runner(const json_t *value, struct wr_project_input *ret, struct wr_error *err)
{
    static const char *const names[] = {
        [WR_RUNNER_PYTEST] = "pytest",
        [WR_RUNNER_UNITTEST] = "unittest",
    };

    for (size_t i = 0; is_plain(value) && i < WR_ARRAY_SIZE(names); i++) {
        if (wr_streq(names[i], json_string_value(value))) {
            ret->runner = (enum wr_project_runner)i;
            return 0;
        }
    }
    return wrong(err, "runner", "neither \"pytest\" nor \"unittest\"");
}

static int read_args(const json_t *value, struct wr_project_input *ret, struct wr_error *err)
{
    size_t count = json_array_size(value), i;
    const json_t *arg;

    if (!json_is_array(value) || count > WR_PROJECT_MAX_ARGS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "args: no array of at most %d texts",
                       WR_PROJECT_MAX_ARGS);
    ret->args = wr_calloc(count + 1, sizeof *ret->args);
    if (!ret->args)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "args");
    json_array_foreach(value, i, arg) {
        if (!is_plain(arg))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "args[%zu]: no text, or empty", i);
        ret->args[ret->arg_count++] = json_string_value(arg);
    }
    return 0;
}

static int read_install(const json_t *value, struct wr_project_input *ret, struct wr_error *err)
{
    return wr_execution_read_packages(value, "install", &ret->packages, &ret->package_count, err);
}

/* Inside the project, and no option of pip's. */
static int read_requirements(const json_t *value, struct wr_project_input *ret,
                             struct wr_error *err)
{
    const char *path = json_string_value(value);

    if (!is_plain(value) || path[0] == '/' || path[0] == '-' || wr_starts_with(path, "../") ||
        strstr(path, "/../"))
        return wrong(err, "requirements", "no path in the project");
    ret->requirements = path;
    return 0;
}

static int read_coverage(const json_t *value, struct wr_project_input *ret, struct wr_error *err)
{
    if (!json_is_boolean(value))
        return wrong(err, "coverage", "neither true nor false");
    ret->coverage = json_is_true(value);
    return 0;
}

static const struct member {
    const char *name;
    int (*read)(const json_t *value, struct wr_project_input *ret, struct wr_error *err);
} members[] = {
    {"project", read_path},
    {"runner", read_runner},
    {"args", read_args},
    {"install", read_install},
    {"requirements", read_requirements},
    {"coverage", read_coverage},
};

static const struct member *member_named(const char *name)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++)
        if (wr_streq(members[i].name, name))
            return &members[i];
    return NULL;
}

int wr_project_input_read(const json_t *input, struct wr_project_input *ret, struct wr_error *err)
{
    wr_auto_project_input made = {0};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)input, name, value) {
        const struct member *member = member_named(name);
        if (!member)
            return wrong(err, name, "the input of a project's test has no such member");
        int r = json_is_null(value) ? 0 : member->read(value, &made, err);
        if (r < 0)
            return r;
    }
    if (!made.path)
        return wrong(err, "project", "missing");
    *ret = made;
    made = (struct wr_project_input){0};
    return 0;
}

void wr_project_input_done(struct wr_project_input *input)
{
    free(input->args);
    free(input->packages);
    *input = (struct wr_project_input){0};
}
