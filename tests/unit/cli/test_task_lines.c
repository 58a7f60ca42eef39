#include "cli/task_lines.h"
#include "json/jread.h"
#include "test.h"

static int parse(const char *text, json_t **ret, struct wr_error *err)
{
    return wr_task_lines_parse(text, strlen(text), "tasks.jsonl", ret, err);
}

TEST(tasks_in_their_order)
{
    struct wr_error err = {0};
    wr_auto_json *tasks = NULL;

    CHECK_INT(parse("{\"id\":\"a\",\"code\":\"1\"}\n  \r\n{\"code\":\"2\",\"timeout\":0.5}", &tasks,
                    &err),
              0);
    CHECK_INT(json_array_size(tasks), 2);
    CHECK_STR(json_string_value(json_object_get(json_array_get(tasks, 0), "id")), "a");
    CHECK_STR(json_string_value(json_object_get(json_array_get(tasks, 1), "code")), "2");
}

static void refused(const char *text, const char *where, const char *why)
{
    struct wr_error err = {0};
    json_t *tasks = NULL;

    CHECK_INT(parse(text, &tasks, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!tasks);
    if (!strstr(err.msg, where) || !strstr(err.msg, why))
        CHECK_STR(err.msg, why);
}

TEST(a_wrong_line_is_named_by_its_number)
{
    refused("{\"code\":\"1\"}\n\n{\"cod\":\"1\"}\n", "tasks.jsonl: line 3: ", "cod");
    refused("{\"code\":\"1\"}\n{", "line 2: ", "JSON");
    refused("[]\n", "line 1: ", "no object");
    refused("{\"code\":\"\"}", "line 1: ", "empty");
    refused("{\"id\":\"a\"}", "line 1: ", "code");
    refused("{\"code\":\"1\",\"id\":7}", "line 1: ", "id");
    refused("{\"code\":\"1\",\"id\":\"\"}", "line 1: ", "id");
    refused("{\"code\":\"1\",\"timeout\":-1}", "line 1: ", "timeout");
}

TEST(no_tasks)
{
    refused("", "tasks.jsonl", "there are no tasks");
    refused("\n \n", "tasks.jsonl", "there are no tasks");
}

TEST(length_of_an_id)
{
    struct wr_error err = {0};
    char text[200], id[130];

    memset(id, 'x', sizeof id);
    id[129] = '\0';
    snprintf(text, sizeof text, "{\"code\":\"1\",\"id\":\"%s\"}", id);
    refused(text, "line 1", "1 to 128 bytes");
    id[128] = '\0';
    snprintf(text, sizeof text, "{\"code\":\"1\",\"id\":\"%s\"}", id);
    wr_auto_json *tasks = NULL;
    CHECK_INT(parse(text, &tasks, &err), 0);
}
