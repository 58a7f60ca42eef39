#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"
#include "cli/notebook.h"
#include "cli/recorder.h"
#include "json/jread.h"
#include "test.h"

/* Two code cells, the first with outputs of an earlier run, and one that is skipped. */
static const char document[] =
    "{\"nbformat\":4,\"nbformat_minor\":2,\"metadata\":{\"kept\":1},\"cells\":["
    "{\"cell_type\":\"code\",\"source\":\"a\",\"outputs\":[{\"old\":1}],\"execution_count\":9},"
    "{\"cell_type\":\"markdown\",\"source\":\"m\",\"metadata\":{}},"
    "{\"cell_type\":\"code\",\"source\":\"b\",\"metadata\":{\"tags\":[\"skip-execution\"]},"
    "\"outputs\":[{\"old\":2}],\"execution_count\":3,\"id\":\"mine\"}]}";

static void start(struct wr_recorder *recorder)
{
    struct wr_error err = {0};
    struct wr_cells cells;
    json_t *json = NULL;

    CHECK_INT(wr_notebook_parse(document, strlen(document), &json, &err), 0);
    CHECK_INT(wr_notebook_cells(json, NULL, &cells, &err), 0);
    CHECK_INT(wr_recorder_init(recorder, json, &cells, &err), 0);
    wr_cells_done(&cells);
}

static const json_t *cell(const struct wr_recorder *recorder, size_t i)
{
    return json_array_get(json_object_get(recorder->json, "cells"), i);
}

static const json_t *output(const struct wr_recorder *recorder, size_t i)
{
    return json_array_get(json_object_get(cell(recorder, 0), "outputs"), i);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void say(struct wr_recorder *recorder, enum wr_cell_message_kind kind, const char *text)
{
    const struct wr_cell_message message = {.kind = kind, .text = text, .text_len = strlen(text)};
    wr_recorder_message(recorder, &message);
}

static void result(struct wr_recorder *recorder, const char *json, bool main_result)
{
    wr_auto_json *parsed = json_loads(json, 0, NULL);
    const struct wr_cell_message message = {
        .kind = WR_CELL_RESULT, .json = parsed, .main = main_result};

    CHECK(parsed);
    wr_recorder_message(recorder, &message);
}

TEST(an_old_document_becomes_a_valid_one)
{
    struct wr_recorder recorder;

    start(&recorder);
    CHECK_INT(json_integer_value(json_object_get(recorder.json, "nbformat_minor")), 5);
    for (size_t i = 0; i < 3; i++) {
        CHECK(*text_of(cell(&recorder, i), "id"));
        CHECK(json_is_object(json_object_get(cell(&recorder, i), "metadata")));
    }
    CHECK_STR(text_of(cell(&recorder, 2), "id"), "mine");
    CHECK_INT(json_array_size(json_object_get(cell(&recorder, 0), "outputs")), 0);
    CHECK(json_is_null(json_object_get(cell(&recorder, 0), "execution_count")));
    CHECK(!json_object_get(cell(&recorder, 1), "outputs"));
    CHECK_INT(json_array_size(json_object_get(cell(&recorder, 2), "outputs")), 1);
    CHECK(!recorder.failed);
    wr_recorder_done(&recorder);
}

TEST(outputs_in_their_order)
{
    const struct wr_cell_message count = {.kind = WR_CELL_COUNT, .count = 4};
    const struct wr_cell_message error = {
        .kind = WR_CELL_ERROR, .name = "ValueError", .value = "no", .traceback = "first\nlast"};
    struct wr_recorder recorder;

    start(&recorder);
    wr_recorder_begin(&recorder, 0);
    wr_recorder_message(&recorder, &count);
    say(&recorder, WR_CELL_STDOUT, "a\n");
    say(&recorder, WR_CELL_STDOUT, "b");
    say(&recorder, WR_CELL_STDERR, "e");
    result(&recorder,
           "{\"text\":\"shown\",\"png\":\"aGk=\",\"chart\":{\"type\":\"line\"},\"extra\":"
           "{\"application/x+json\":{\"k\":1},\"chemical/x\":\"y\",\"odd\":\"z\"}}",
           false);
    result(&recorder, "{\"text\":\"4\",\"json\":[1]}", true);
    wr_recorder_message(&recorder, &error);
    wr_recorder_end(&recorder);

    CHECK_INT(json_integer_value(json_object_get(cell(&recorder, 0), "execution_count")), 4);
    CHECK_INT(json_array_size(json_object_get(cell(&recorder, 0), "outputs")), 5);
    CHECK_STR(text_of(output(&recorder, 0), "name"), "stdout");
    CHECK_INT(json_array_size(json_object_get(output(&recorder, 0), "text")), 2);
    CHECK_STR(text_of(output(&recorder, 1), "name"), "stderr");
    const json_t *shown = json_object_get(output(&recorder, 2), "data");
    CHECK_STR(text_of(output(&recorder, 2), "output_type"), "display_data");
    CHECK_STR(text_of(shown, "image/png"), "aGk=");
    CHECK(json_is_object(json_object_get(shown, "application/x+json")));
    CHECK(json_is_array(json_object_get(shown, "chemical/x")));
    CHECK_INT(json_object_size(shown), 4);
    CHECK_STR(text_of(output(&recorder, 3), "output_type"), "execute_result");
    CHECK_INT(json_integer_value(json_object_get(output(&recorder, 3), "execution_count")), 4);
    CHECK_STR(text_of(output(&recorder, 4), "ename"), "ValueError");
    CHECK_INT(json_array_size(json_object_get(output(&recorder, 4), "traceback")), 2);
    CHECK(!recorder.failed);
    wr_recorder_done(&recorder);
}

TEST(the_file_is_replaced_as_a_whole)
{
    char dir[] = "/tmp/wr-recorder-XXXXXX", path[64], link_path[64];
    struct wr_recorder recorder;
    struct wr_error err = {0};
    struct stat st;

    CHECK(mkdtemp(dir));
    CHECK(wr_strformat(path, sizeof path, "%s/n.ipynb", dir));
    CHECK(wr_strformat(link_path, sizeof link_path, "%s/l.ipynb", dir));
    start(&recorder);
    CHECK_INT(wr_recorder_write(&recorder, path, &err), 0);
    CHECK(chmod(path, 0600) == 0 && symlink(path, link_path) == 0);
    CHECK_INT(wr_recorder_write(&recorder, link_path, &err), 0);
    CHECK(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    wr_auto_json *back = json_load_file(path, 0, NULL);
    CHECK(json_equal(back, recorder.json));
    CHECK_INT(wr_recorder_write(&recorder, "/nonexistent/n.ipynb", &err), -WR_E_NOT_FOUND);
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    CHECK_INT(wr_recorder_write(&recorder, path, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
    wr_recorder_done(&recorder);
    CHECK(unlink(link_path) == 0 && unlink(path) == 0 && rmdir(dir) == 0);
}
