#include "cli/percent_cells.h"
#include "test.h"

static struct wr_cells read_as(const char *language, const char *text)
{
    struct wr_cells cells;
    struct wr_error err = {0};

    CHECK_INT(
        wr_percent_cells_read(text, strlen(text), wr_cell_language_find(language), &cells, &err),
        0);
    return cells;
}

TEST(cells_with_titles_kinds_and_tags)
{
    struct wr_cells cells = read_as("python", "import os\n"
                                              "# %% First one\n\n"
                                              "x = 1\n\n"
                                              "#%% [markdown]\n"
                                              "# # Heading\n"
                                              "#text\n"
                                              "# %% fails tags=[\"raises-exception\"]\n"
                                              "1/0\n"
                                              "# %%\n"
                                              "# %%time is no marker, nor is\n"
                                              "x = '# %%'\n"
                                              "# %% Title [raw] more\n"
                                              "y\n");
    CHECK_INT(cells.count, 6);
    CHECK_INT(cells.code_count, 4);
    CHECK_STR(cells.items[0].source, "import os");
    CHECK(!cells.items[0].title);
    CHECK_STR(cells.items[1].source, "x = 1");
    CHECK_STR(cells.items[1].title, "First one");
    CHECK_INT(cells.items[1].number, 2);
    CHECK_INT(cells.items[2].kind, WR_CELL_MARKDOWN);
    CHECK_STR(cells.items[2].source, "# Heading\ntext");
    CHECK(cells.items[3].may_fail);
    CHECK_STR(cells.items[3].title, "fails");
    CHECK_INT(cells.items[3].number, 3);
    CHECK_STR(cells.items[4].source, "# %%time is no marker, nor is\nx = '# %%'");
    CHECK_INT(cells.items[5].kind, WR_CELL_RAW);
    CHECK_STR(cells.items[5].title, "Title");
    wr_cells_done(&cells);
}

TEST(comments_of_the_language)
{
    struct wr_cells cells = read_as("javascript", "// %% a\r\n1\r\n# %% not here\n// %%\n2");
    CHECK_INT(cells.count, 2);
    CHECK_STR(cells.items[0].title, "a");
    CHECK_STR(cells.items[1].source, "2");
    wr_cells_done(&cells);
}

TEST(a_header_of_jupytext_is_not_run)
{
    struct wr_cells cells = read_as("python", "# ---\n# jupyter: x\n# ---\n\n# %%\n1\n# %%\n");
    CHECK_INT(cells.count, 3);
    CHECK_INT(cells.items[0].kind, WR_CELL_RAW);
    CHECK_INT(cells.items[1].number, 1);
    CHECK(!cells.items[1].skip);
    CHECK(cells.items[2].skip);
    wr_cells_done(&cells);
}

TEST(a_file_without_markers_is_one_cell)
{
    struct wr_cells cells = read_as("python", "x = 1\n\nprint(x)\n");
    CHECK_INT(cells.count, 1);
    CHECK_STR(cells.items[0].source, "x = 1\n\nprint(x)");
    wr_cells_done(&cells);
    cells = read_as("python", "");
    CHECK_INT(cells.count, 0);
    wr_cells_done(&cells);
}

TEST(bytes_that_are_no_text_are_refused)
{
    struct wr_cells cells;
    struct wr_error err = {0};

    CHECK_INT(wr_percent_cells_read("\xff", 1, wr_cell_language_find("python"), &cells, &err),
              -WR_E_INVALID_ARGUMENT);
    wr_cells_done(&cells);
    CHECK_INT(wr_percent_cells_read("a\0b", 3, wr_cell_language_find("python"), &cells, &err),
              -WR_E_INVALID_ARGUMENT);
    wr_cells_done(&cells);
}
