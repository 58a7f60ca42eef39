#include "cli/task_lines.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/execute/execution_input.h"

#define MAX_ID_LEN 128

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r", line[i]))
            return false;
    return true;
}

/* As an orchestrator has it. */
static int check_id(const json_t *id, struct wr_error *err)
{
    if (!id ||
        (json_is_string(id) && json_string_length(id) > 0 && json_string_length(id) <= MAX_ID_LEN &&
         strlen(json_string_value(id)) == json_string_length(id)))
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "id: a text of 1 to %d bytes", MAX_ID_LEN);
}

/* *ret is the caller's. */
static int parse_line(const char *line, size_t len, json_t **ret, struct wr_error *err)
{
    wr_auto_execution_input input = {0};
    wr_auto_value *value = NULL;

    int r = wr_value_parse(line, len, &value, err);
    if (r < 0)
        return r;
    const json_t *task = wr_value_json(value);
    if (!json_is_object(task))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "no object");
    wr_auto_json *rest = json_copy((json_t *)(uintptr_t)task);
    if (!rest)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "task");
    r = check_id(json_object_get(task, "id"), err);
    (void)json_object_del(rest, "id"); /* of the orchestrator; the rest is an executor's input */
    if (r == 0)
        r = wr_execution_input_read(rest, &input, err);
    if (r == 0)
        *ret = wr_value_json(wr_steal_ptr(&value));
    return r;
}

int wr_task_lines_parse(const char *text, size_t len, const char *file, json_t **ret,
                        struct wr_error *err)
{
    wr_auto_json *tasks = json_array();
    size_t number = 0;

    for (const char *at = text, *end = text + len; tasks && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line_len = stop ? (size_t)(stop - at) : (size_t)(end - at);
        json_t *task = NULL;

        number++;
        int r = is_blank(at, line_len) ? 0 : parse_line(at, line_len, &task, err);
        if (r < 0)
            return wr_wrap(err, "%.100s: line %zu", file, number);
        if (json_array_size(tasks) >= WR_TASKS_MAX)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.100s: more than %d tasks", file,
                           WR_TASKS_MAX);
        if (task && json_array_append_new(tasks, task) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tasks");
        at += line_len + (stop ? 1 : 0);
    }
    if (!tasks)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tasks");
    if (json_array_size(tasks) == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.100s: there are no tasks", file);
    *ret = json_incref(tasks);
    return 0;
}
