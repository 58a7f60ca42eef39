#include "json/jread.h"
#include "primitives/execute/execution_result.h"
#include "test.h"

/* A result for what the interpreter gave; the caller's. */
static json_t *result_of(const char *run_text, size_t max_output)
{
    json_error_t why;
    json_t *run = json_loads(run_text, JSON_ALLOW_NUL, &why);
    struct wr_output_lines lines;
    struct wr_error err = {0};

    CHECK(run);
    CHECK_INT(wr_output_lines_init(&lines, 1000, &err), 0);
    json_t *result = wr_execution_result(&(struct wr_execution_facts){
        .run = run,
        .lines = &lines,
        .max_output = max_output,
        .sandbox_ms = 7,
        .sandbox_id = "box",
        .language = "python",
    });
    CHECK(result);
    wr_output_lines_done(&lines);
    json_decref(run);
    return result;
}

static const char *text(const json_t *result, const char *name)
{
    return json_string_value(json_object_get(result, name));
}

TEST(all_members)
{
    json_t *result = result_of(
        "{\"stdout\": \"out\", \"stderr\": \"err\", \"output\": \"outerr\", \"error\": null,"
        "\"results\": [{\"png\": \"AAAA\", \"text\": \"<Figure>\", \"is_main_result\": false},"
        "{\"text\": \"42\", \"is_main_result\": true}], \"time_ms\": 12.5}",
        100);
    CHECK(json_is_true(json_object_get(result, "success")));
    CHECK_STR(text(result, "logs"), "outerr");
    CHECK_STR(text(result, "output"), "outerr\n42");
    CHECK_STR(text(result, "stdout"), "out");
    CHECK_STR(text(result, "stderr"), "err");
    CHECK_STR(text(result, "sandbox_id"), "box");
    CHECK_STR(text(result, "language"), "python");
    CHECK_INT(json_array_size(json_object_get(result, "results")), 2);
    CHECK(json_real_value(json_object_get(result, "execution_time_ms")) == 12.5);
    CHECK(json_real_value(json_object_get(result, "execution_time")) == 0.0125);
    CHECK(json_real_value(json_object_get(result, "sandbox_ms")) == 7);
    CHECK(json_is_false(json_object_get(result, "truncated")));
    CHECK(json_is_false(json_object_get(result, "cached")));
    CHECK(json_is_null(json_object_get(result, "error")));
    CHECK(json_is_null(json_object_get(result, "traceback")));
    json_decref(result);
}

TEST(truncation_counts_characters_and_says_so)
{
    json_t *result =
        result_of("{\"stdout\": \"h\u00e9llo\u20ac\", \"output\": \"h\u00e9llo\u20ac\"}", 6);
    CHECK_STR(text(result, "stdout"), "h\u00e9llo\u20ac");
    CHECK(json_is_false(json_object_get(result, "truncated")));
    json_decref(result);

    result = result_of("{\"stdout\": \"h\u00e9llo\u20ac\", \"output\": \"h\u00e9llo\u20ac\"}", 5);
    CHECK_STR(text(result, "stdout"), "h\u00e9llo");
    CHECK_STR(text(result, "logs"), "h\u00e9llo");
    CHECK(json_is_true(json_object_get(result, "truncated")));
    json_decref(result);

    result = result_of("{\"stdout\": \"\", \"stderr_dropped\": 1}", 5);
    CHECK(json_is_true(json_object_get(result, "truncated")));
    json_decref(result);

    result = result_of("{\"results\": [{\"text\": \"123456\", \"png\": \"abcdefgh\"}]}", 5);
    const json_t *rich = json_array_get(json_object_get(result, "results"), 0);
    CHECK_STR(text(rich, "text"), "12345");
    CHECK_STR(text(rich, "png"), "abcdefgh");
    CHECK(json_is_true(json_object_get(result, "truncated")));
    json_decref(result);
}

TEST(nul_characters_stay)
{
    json_t *result = result_of("{\"stdout\": \"a\\u0000b\"}", 100);
    CHECK_INT(json_string_length(json_object_get(result, "stdout")), 3);
    json_decref(result);
}

TEST(prefixes)
{
    CHECK_INT(wr_execution_prefix("abc", 3, 3), 3);
    CHECK_INT(wr_execution_prefix("abc", 3, 2), 2);
    CHECK_INT(wr_execution_prefix("abc", 3, 0), 0);
    CHECK_INT(wr_execution_prefix("\u20ac\u20ac", 6, 1), 3);
    CHECK_INT(wr_execution_prefix("\U0001f600x", 5, 1), 4);
    CHECK_INT(wr_execution_prefix("", 0, 5), 0);
}

static void has_error(const char *name, const char *value, const char *expected)
{
    json_t *run = json_pack("{s:{s:s, s:s, s:s}}", "error", "name", name, "value", value,
                            "traceback", "Traceback");
    char *dumped = json_dumps(run, 0);
    json_t *result = result_of(dumped, 1000);

    CHECK(json_is_boolean(json_object_get(result, "success")));
    if (expected) {
        CHECK(json_is_false(json_object_get(result, "success")));
        CHECK_STR(text(result, "error"), expected);
        CHECK_STR(text(result, "error_name"), name);
        CHECK_STR(text(result, "error_value"), value);
        CHECK_STR(text(result, "traceback"), "Traceback");
    } else {
        CHECK(json_is_true(json_object_get(result, "success")));
        CHECK(json_is_null(json_object_get(result, "error")));
        CHECK(json_is_null(json_object_get(result, "error_name")));
    }
    json_decref(result);
    free(dumped);
    json_decref(run);
}

TEST(errors_have_class_and_message)
{
    has_error("NameError", "name 'x' is not defined", "NameError: name 'x' is not defined");
    has_error("KeyboardInterrupt", "", "KeyboardInterrupt");
    has_error("ValueError", "a (b, line 3)", "ValueError: a (b, line 3)");
    has_error("SyntaxError", "invalid syntax (<ipython-input-8-5f>, line 1)",
              "SyntaxError: invalid syntax");
    has_error("SyntaxError", "unterminated string literal (detected at line 1) (141.py, line 1)",
              "SyntaxError: unterminated string literal (detected at line 1)");
    has_error("IndentationError", "unexpected indent (x.py, line 12)",
              "IndentationError: unexpected indent");
    has_error("SyntaxError", "Unexpected token '}'", "SyntaxError: Unexpected token '}'");
    has_error("SyntaxError", "", "SyntaxError");
}

TEST(an_exit_with_success_is_no_error)
{
    has_error("SystemExit", "", NULL);
    has_error("SystemExit", "0", NULL);
    has_error("SystemExit", "False", NULL);
    has_error("SystemExit", "1", "SystemExit: 1");
    has_error("SystemExit", "True", "SystemExit: True");
    has_error("SystemExit", "bye", "SystemExit: bye");
    has_error("SystemExitX", "0", "SystemExitX: 0");
}

/* ---- lines ---- */

static void add(struct wr_output_lines *lines, enum wr_code_event_kind kind, const char *bytes)
{
    wr_output_lines_add(
        lines, &(struct wr_code_event){.kind = kind, .text = bytes, .text_len = strlen(bytes)});
}

static json_t *told(struct wr_output_lines *lines)
{
    json_t *run = json_object();
    json_t *result = wr_execution_result(&(struct wr_execution_facts){
        .run = run, .lines = lines, .max_output = 100, .sandbox_id = "", .language = "python"});
    json_t *list = json_incref(json_object_get(result, "log_lines"));

    json_decref(result);
    json_decref(run);
    return list;
}

TEST(lines_come_in_their_order_with_their_stream)
{
    struct wr_output_lines lines;
    struct wr_error err = {0};

    CHECK_INT(wr_output_lines_init(&lines, 1000, &err), 0);
    add(&lines, WR_CODE_STDOUT, "one\ntw");
    add(&lines, WR_CODE_STDERR, "warning\n");
    add(&lines, WR_CODE_RESULT, "no text");
    add(&lines, WR_CODE_STDOUT, "o\n\nlast");
    json_t *list = told(&lines);
    char *dumped = json_dumps(list, 0);
    CHECK_STR(dumped, "[\"[stdout] one\", \"[stderr] warning\", \"[stdout] two\", \"[stdout] \", "
                      "\"[stdout] last\"]");
    free(dumped);
    json_decref(list);
    wr_output_lines_done(&lines);
}

TEST(lines_are_bounded_at_characters)
{
    struct wr_output_lines lines;
    struct wr_error err = {0};

    CHECK_INT(wr_output_lines_init(&lines, 4, &err), 0);
    add(&lines, WR_CODE_STDOUT, "ab\n\u20ac\n");
    add(&lines, WR_CODE_STDOUT, "c\nd\n");
    json_t *list = told(&lines);
    char *dumped = json_dumps(list, 0);
    CHECK_STR(dumped, "[\"[stdout] ab\", \"[stdout] c\", \"[stdout] d\"]");
    free(dumped);
    json_decref(list);
    wr_output_lines_done(&lines);
    wr_output_lines_done(&lines);
}

TEST(a_line_without_end_is_told_in_pieces)
{
    struct wr_output_lines lines;
    struct wr_error err = {0};
    static char many[200001];

    memset(many, 'x', sizeof many - 1);
    CHECK_INT(wr_output_lines_init(&lines, 1000000, &err), 0);
    add(&lines, WR_CODE_STDOUT, many);
    json_t *list = told(&lines);
    size_t total = 0, i;
    const json_t *line;
    json_array_foreach(list, i, line) {
        total += json_string_length(line) - strlen("[stdout] ");
    }
    CHECK_INT(total, sizeof many - 1);
    CHECK_INT(json_array_size(list), 4);
    json_decref(list);
    wr_output_lines_done(&lines);
}
