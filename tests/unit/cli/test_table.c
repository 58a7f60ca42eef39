/* HTML of data frames, and the grid that is printed of it. */
#include "cli/html_table.h"
#include "cli/text_width.h"
#include "test.h"

static int read_html(const char *html, struct wr_grid *grid)
{
    struct wr_error err = {0};
    return wr_html_table_read(html, strlen(html), grid, &err);
}

static void check_lines(const char *html, size_t width, const char *expected)
{
    wr_auto_buf out = WR_BUF(1 << 20);
    struct wr_error err = {0};
    struct wr_grid grid;

    wr_text_locale();
    CHECK_INT(read_html(html, &grid), 1);
    CHECK_INT(wr_grid_print(&grid, width, &out, &err), 0);
    CHECK_STR(wr_buf_cstr(&out), expected);
    wr_grid_done(&grid);
}

TEST(as_pandas_prints_it)
{
    check_lines("<style>td {}</style><table border=\"1\" class=\"dataframe\"><thead>"
                "<tr style=\"text-align: right;\"><th></th><th>name</th><th>größe</th></tr></thead>"
                "<tbody><tr><th>0</th><td>a &lt;b&gt; &amp;&#39;</td><td>1.5</td></tr>\n"
                "<tr>\n<th>10</th>\n<td>日本</td>\n<td>200.0</td></tr></tbody></table>\n"
                "<p>2 rows × 2 columns</p>",
                80,
                "        name  größe\n"
                "0   a <b> &'    1.5\n"
                "10      日本  200.0\n"
                "\n2 rows × 2 columns\n");
}

TEST(spans_of_rows_and_columns)
{
    check_lines("<table><thead><tr><th></th><th></th><th colspan=\"2\">both</th></tr>"
                "<tr><th></th><th></th><th>x</th><th>y</th></tr></thead><tbody>"
                "<tr><th rowspan=\"2\">a</th><th>1</th><td>11</td><td>12</td></tr>"
                "<tr><th>2</th><td>21</td><td>22</td></tr></tbody></table>",
                80,
                "      both\n"
                "         x   y\n"
                "a  1    11  12\n"
                "   2    21  22\n");
}

TEST(names_of_columns_without_a_head)
{
    check_lines("<table><tr><th></th><th>n</th><th>text</th></tr>"
                "<tr><th>first</th><td>100</td><td>a</td></tr></table>",
                80,
                "         n  text\n"
                "first  100     a\n");
}

TEST(columns_in_the_middle_go_first)
{
    check_lines(
        "<table><tr><th>i</th><td>aaaa</td><td>bbbb</td><td>cccc</td><td>dddd</td></tr></table>",
        20, "i  aaaa  ...  dddd\n");
    check_lines("<table><tr><td>aaaa</td><td>bbbb</td></tr></table>", 5, "aaaa  ...\n");
}

TEST(long_cells_lose_their_ends)
{
    check_lines("<table><tr><td>"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "</td></tr></table>",
                80, "01234567890123456789012345678901234567890123456...\n");
}

TEST(rows_in_the_middle_go)
{
    wr_auto_buf html = WR_BUF(1 << 16), out = WR_BUF(1 << 16);
    struct wr_error err = {0};
    struct wr_grid grid;
    size_t lines = 0;

    CHECK_INT(wr_buf_append_str(&html, "<table><thead><tr><th>n</th></tr></thead>"), 0);
    for (int i = 0; i < 100; i++)
        CHECK_INT(wr_buf_printf(&html, "<tr><td>%d</td></tr>", 1000 + i), 0);
    CHECK_INT(wr_buf_append_str(&html, "</table>"), 0);
    CHECK_INT(read_html(wr_buf_cstr(&html), &grid), 1);
    CHECK_INT(wr_grid_print(&grid, 80, &out, &err), 0);
    for (const char *p = wr_buf_cstr(&out); *p; p++)
        lines += *p == '\n';
    CHECK_INT(lines, 62);
    CHECK(strstr(wr_buf_cstr(&out), "1029\n ...\n1070\n"));
    wr_grid_done(&grid);
}

TEST(nothing_in_a_cell_drives_the_terminal)
{
    check_lines("<table><tr><td>a\033[2Jb&#27;c\xc2\x9b"
                "d&#155;e\rf</td></tr></table>",
                80, "a [2Jb cd&#155;e f\n");
}

TEST(what_is_no_table)
{
    static const char *const texts[] = {
        "",
        "<p>x</p>",
        "<table>",
        "<table></table>",
        "<table><tr><td>x",
        "<table><tr><td><table></table></td></tr></table>",
        "<table><tr><td colspan=\"99999\">x</td></tr></table>",
        "<tables><tr><td>x</td></tr></tables>",
        "\xff<table><tr><td>x</td></tr></table>",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++) {
        struct wr_grid grid;
        if (read_html(texts[i], &grid) != 0)
            wr_test_fail(__FILE__, __LINE__, "a table in %s", texts[i]);
        wr_grid_done(&grid);
    }
}
