#include "cli/notebook.h"
#include "json/jread.h"
#include "test.h"

static int parse(const char *text, json_t **ret, struct wr_error *err)
{
    return wr_notebook_parse(text, strlen(text), ret, err);
}

#define NOTEBOOK(metadata, cells) \
    "{\"nbformat\":4,\"nbformat_minor\":2,\"metadata\":" metadata ",\"cells\":[" cells "]}"

TEST(cells_and_their_language)
{
    wr_auto_json *json = NULL;
    struct wr_cells cells;
    struct wr_error err = {0};

    CHECK_INT(parse(NOTEBOOK("{\"kernelspec\":{\"name\":\"ir\",\"language\":\"R\"}}",
                             "{\"cell_type\":\"markdown\",\"source\":\"# x\"},"
                             "{\"cell_type\":\"code\",\"source\":[\"a\\n\",\"b\"],\"metadata\":"
                             "{\"tags\":[\"raises-exception\",3]}},"
                             "{\"cell_type\":\"code\",\"source\":\" \\n\"},"
                             "{\"cell_type\":\"code\",\"source\":\"x\",\"metadata\":{\"tags\":"
                             "[\"skip-execution\"]}}"),
                    &json, &err),
              0);
    CHECK_INT(wr_notebook_cells(json, NULL, &cells, &err), 0);
    CHECK_STR(cells.language->name, "r");
    CHECK_INT(cells.count, 4);
    CHECK_INT(cells.items[0].number, 0);
    CHECK_INT(cells.items[1].number, 1);
    CHECK_STR(cells.items[1].source, "a\nb");
    CHECK(cells.items[1].may_fail && !cells.items[1].skip);
    CHECK(cells.items[2].skip && cells.items[3].skip);
    wr_cells_done(&cells);
}

TEST(languages_by_what_notebooks_say)
{
    static const struct {
        const char *metadata, *language;
    } cases[] = {
        {NOTEBOOK("{}", ""), "python"},
        {NOTEBOOK("{\"kernelspec\":{\"name\":\"python3\"}}", ""), "python"},
        {NOTEBOOK("{\"kernelspec\":{\"name\":\"conda-env-x\",\"language\":\"python\"}}", ""),
         "python"},
        {NOTEBOOK("{\"language_info\":{\"name\":\"typescript\"}}", ""), "typescript"},
        {NOTEBOOK("{\"kernelspec\":{\"name\":\"javascript\"}}", ""), "javascript"},
        {NOTEBOOK("{\"kernelspec\":{\"name\":\"julia-1.9\",\"language\":\"julia\"}}", ""), NULL},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        wr_auto_json *json = NULL;
        struct wr_cells cells;
        struct wr_error err = {0};
        CHECK_INT(parse(cases[i].metadata, &json, &err), 0);
        int r = wr_notebook_cells(json, NULL, &cells, &err);
        CHECK_INT(r, cases[i].language ? 0 : -WR_E_INVALID_ARGUMENT);
        if (cases[i].language)
            CHECK_STR(cells.language->name, cases[i].language);
        else
            CHECK(strstr(err.msg, "julia") && strstr(err.msg, "--lang"));
        wr_cells_done(&cells);
    }
}

TEST(what_is_no_notebook_of_version_4)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{\"nbformat\":3,\"worksheets\":[]}", "3"},
        {"{}", "nbformat"},
        {"{\"nbformat\":4}", "cells"},
        {"[]", "object"},
        {"{\"nbformat\":\"4\",\"cells\":[]}", "nbformat"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        wr_auto_json *json = NULL;
        struct wr_error err = {0};
        CHECK(parse(cases[i].text, &json, &err) < 0);
        CHECK(strstr(err.msg, cases[i].says));
    }
}

TEST(a_wrong_cell_is_named)
{
    wr_auto_json *json = NULL;
    struct wr_cells cells;
    struct wr_error err = {0};

    CHECK_INT(
        parse(NOTEBOOK("{}", "{\"cell_type\":\"code\",\"source\":\"\"},{\"cell_type\":\"code\"}"),
              &json, &err),
        0);
    CHECK_INT(wr_notebook_cells(json, NULL, &cells, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "cell 2"));
    wr_cells_done(&cells);
}
