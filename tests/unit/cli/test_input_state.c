#include "base/str.h"
#include "cli/input_state.h"
#include "test.h"

static const char names[] = "cob"; /* complete, open, block */

TEST(states_of_texts)
{
    static const struct {
        const char *language, *text;
        char state;
    } cases[] = {
        {"python", "x = 1\n", 'c'},
        {"python", "x = (1,\n", 'o'},
        {"python", "x = (1,\n2)\n", 'c'},
        {"python", "x = '('\n", 'c'},
        {"python", "x = '''a\n", 'o'},
        {"python", "x = '''a\n'b'''\n", 'c'},
        {"python", "x = 'unclosed\n", 'c'},
        {"python", "# (\n", 'c'},
        {"python", "x = 1 \\\n", 'o'},
        {"python", "def f():\n", 'b'},
        {"python", "def f():  # why\n", 'b'},
        {"python", "def f(a,\n", 'o'},
        {"python", "d = {1:\n", 'o'},
        {"python", "x[1:\n]\n", 'c'},
        {"python", "if x: y\n", 'c'},
        {"python", "@cache\n", 'b'},
        {"python", "%%time\n", 'b'},
        {"python", "%time x\n", 'c'},
        {"python", "!ls (\n", 'o'},
        {"javascript", "function f() {\n", 'o'},
        {"javascript", "function f() {\n}\n", 'c'},
        {"javascript", "x = `a ${\n", 'o'},
        {"javascript", "x = /[(/]/\n", 'c'},
        {"javascript", "x = 4 / (2\n", 'o'},
        {"javascript", "/* ( \n", 'o'},
        {"javascript", "/* ( */ 1 // {\n", 'c'},
        {"typescript", "const x: {a: number} = {\n", 'o'},
        {"bash", "if true; then\n", 'o'},
        {"bash", "if true; then\necho x\nfi\n", 'c'},
        {"bash", "for i in 1 2\n", 'o'},
        {"bash", "while read x\ndo echo $x\ndone\n", 'c'},
        {"bash", "for i in 1 2\ndo echo $i\n", 'o'},
        {"bash", "for i in 1 2; do echo $i; done\n", 'c'},
        {"bash", "case x in\n x) echo;;\n", 'o'},
        {"bash", "case x in\n x) echo;;\nesac\n", 'c'},
        {"bash", "echo if do case\n", 'c'},
        {"bash", "echo 'a\n", 'o'},
        {"bash", "echo a#b '#' \\'\n", 'c'},
        {"bash", "f() {\n", 'o'},
        {"bash", "ls |\n", 'o'},
        {"bash", "ls \\\n", 'o'},
        {"bash", "ls \\\n-l\n", 'c'},
        {"bash", "cat <<END\nif\n", 'o'},
        {"bash", "cat <<-'END'\nif\n\tEND\n", 'c'},
        {"bash", "cat <<< x\n", 'c'},
        {"r", "x <-\n", 'o'},
        {"r", "x %>%\n", 'o'},
        {"r", "f(1,\n", 'o'},
        {"r", "x <- 'a\nb'\n", 'c'},
        {"java", "class A {\n", 'o'},
        {"java", "String s = \"\"\"\n(\"\"\";\n", 'c'},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        enum wr_input_state state = wr_input_state_of(wr_cell_language_find(cases[i].language),
                                                      cases[i].text, strlen(cases[i].text));
        if (names[state] != cases[i].state)
            wr_test_fail(__FILE__, __LINE__, "%s: \"%s\" is %c", cases[i].language, cases[i].text,
                         names[state]);
    }
}

TEST(every_front_of_a_text_has_a_state)
{
    static const char text[] = "if [ \"$x\" ]; then cat <<-EOF | tr '\\' `(`{ # \n$(\n/* '''\\";
    static const char *const languages[] = {"python", "javascript", "bash", "r", "java"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(languages); i++)
        for (size_t len = 0; len < sizeof text; len++)
            CHECK(wr_input_state_of(wr_cell_language_find(languages[i]), text, len) <=
                  WR_INPUT_BLOCK);
}

static bool continues(const char *text, const char *line)
{
    return wr_input_continues(text, strlen(text), line, strlen(line));
}

TEST(a_block_of_a_script_ends_where_something_else_begins)
{
    CHECK(continues("if x:\n", "    y"));
    CHECK(continues("if x:\n    y\n", ""));
    CHECK(continues("if x:\n    y\n", "else:"));
    CHECK(continues("if x:\n    y\n", "# a comment"));
    CHECK(continues("@cache\n", "def f():"));
    CHECK(continues("%%time\n", "x"));
    CHECK(!continues("if x:\n    y\n", "print(1)"));
    CHECK(!continues("if x:\n    y\n", "elsewhere = 1"));
}
