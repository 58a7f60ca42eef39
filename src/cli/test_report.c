#include "cli/test_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "cli/out.h"

#define EXIT_FAILED          1
#define EXIT_NO_TESTS        2
#define INFRASTRUCTURE_ERROR "infrastructure_error"

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* Code that nobody has vetted chooses these bytes: only text, tabs and line breaks come out, and
 * each line is indented. Line breaks at the end are left out. */
static void print_text(const char *text, const char *indent)
{
    size_t len = strlen(text);

    while (len > 0 && text[len - 1] == '\n')
        len--;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = (c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n';
        putchar(plain ? c : '?');
        if (c == '\n')
            fputs(indent, stdout);
    }
    putchar('\n');
}

static int print_table(const json_t *results, struct wr_error *err)
{
    static const char *const headers[] = {"TEST", "OUTCOME", "TIME"};
    struct wr_table table;
    const json_t *one;
    size_t i;

    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(results, i, one) {
        char time[32] = "";
        (void)!wr_strformat(time, sizeof time, "%.1f ms",
                            json_number_value(json_object_get(one, "duration_ms")));
        wr_table_cell(&table, text_of(one, "test"));
        wr_table_cell(&table, text_of(one, "outcome"));
        wr_table_cell(&table, time);
    }
    int r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

/* As JSON unless it is text; "expected" may be a number with its tolerance. */
static void print_expected(const json_t *expected)
{
    char *dump = json_is_string(expected)
                     ? NULL
                     : json_dumps(expected, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

    fputs("  expected: ", stdout);
    print_text(dump ? dump : json_string_value(expected), "            ");
    free(dump);
}

static void print_failure(const json_t *result)
{
    const json_t *expected = json_object_get(result, "expected");

    putchar('\n');
    print_text(text_of(result, "test"), "");
    if (*text_of(result, "error")) {
        fputs("  ", stdout);
        print_text(text_of(result, "error"), "  ");
    }
    if (json_is_string(expected) || (expected && !json_is_null(expected)))
        print_expected(expected);
    const char *actual = text_of(result, "output");
    fputs("  actual:   ", stdout);
    print_text(*actual ? actual : "(nothing)", "            ");
}

static void print_counts(const json_t *output)
{
    static const struct {
        const char *member, *word;
    } counts[] = {{"tests_passed", "passed"},
                  {"tests_failed", "failed"},
                  {"tests_skipped", "skipped"},
                  {"tests_errored", "errored"}};
    const json_t *coverage = json_object_get(output, "coverage_percent");

    for (size_t i = 0; i < WR_ARRAY_SIZE(counts); i++)
        printf("%s%lld %s", i ? ", " : "",
               (long long)json_integer_value(json_object_get(output, counts[i].member)),
               counts[i].word);
    printf(" in %.1f ms", json_number_value(json_object_get(output, "duration_ms")));
    if (json_is_number(coverage))
        printf(", coverage %.1f %%", json_number_value(coverage));
    putchar('\n');
}

int wr_test_report_print(const json_t *output, bool project, struct wr_error *err)
{
    const json_t *results = json_object_get(output, "results"), *one;
    size_t i;
    int r = 0;

    if (project && wr_streq(text_of(output, "outcome"), INFRASTRUCTURE_ERROR)) {
        fprintf(stderr, "warren: the tests could not be run: %s\n", text_of(output, "error"));
        return 0;
    }
    if (project && *text_of(output, "output"))
        print_text(text_of(output, "output"), "");
    if (!project)
        r = print_table(results, err);
    json_array_foreach(results, i, one)
        if (!project && !wr_streq(text_of(one, "outcome"), "passed"))
            print_failure(one);
    if (project && *text_of(output, "error"))
        print_text(text_of(output, "error"), "");
    if (!project)
        putchar('\n');
    print_counts(output);
    if (r == 0 && fflush(stdout) != 0)
        return wr_fail_errno(err, WR_E_UNKNOWN, "write to standard output");
    return r;
}

int wr_test_report_status(const json_t *output)
{
    static const struct {
        const char *outcome;
        int status;
    } statuses[] = {{"passed", 0},
                    {"failed", EXIT_FAILED},
                    {"collection_error", EXIT_NO_TESTS},
                    {"no_tests", EXIT_NO_TESTS}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(statuses); i++)
        if (wr_streq(text_of(output, "outcome"), statuses[i].outcome))
            return statuses[i].status;
    return wr_code_exit_status(WR_E_UNAVAILABLE);
}
