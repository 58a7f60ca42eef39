#include "json/value.h"
#include "primitives/recover/outcome.h"
#include "test.h"

static enum wr_error_class class_of(const char *json)
{
    struct wr_error err = {0};
    struct wr_value *value = NULL;
    CHECK_INT(wr_value_parse(json, strlen(json), &value, &err), 0);
    enum wr_error_class error_class = wr_outcome_class(0, value, &err);
    wr_value_free(value);
    return error_class;
}

TEST(results_fail_by_their_success_only)
{
    CHECK_INT(class_of("{\"success\":false}"), WR_CLASS_CODE);
    CHECK_INT(class_of("{\"success\":true}"), WR_CLASS_NONE);
    CHECK_INT(class_of("{\"error\":\"x\"}"), WR_CLASS_NONE);
    CHECK_INT(class_of("{\"success\":null}"), WR_CLASS_NONE);
    CHECK_INT(class_of("false"), WR_CLASS_NONE);
    CHECK_INT(class_of("[]"), WR_CLASS_NONE);
}

TEST(errors_have_the_class_of_their_code)
{
    struct wr_error err = {.code = WR_E_UNAVAILABLE};
    CHECK_INT(wr_outcome_class(-WR_E_UNAVAILABLE, NULL, &err), WR_CLASS_SERVICE);
}

TEST(only_classes_are_classes)
{
    struct wr_error err = {0};
    CHECK_INT(wr_classes_check(0, "x", &err), 0);
    CHECK_INT(wr_classes_check(127, "x", &err), 0);
    CHECK_INT(wr_classes_check(128, "x", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_STR(err.msg, "x: 0x80 has bits that are no class");
}

TEST(text_that_was_cut_stays_text)
{
    json_t *text = wr_error_text("caf\xc3");
    CHECK_STR(json_string_value(text), "caf\xef\xbf\xbd");
    json_decref(text);
}
