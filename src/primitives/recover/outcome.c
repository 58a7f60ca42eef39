#include "primitives/recover/outcome.h"

#include <string.h>

#include "base/error.h"
#include "json/value.h"

bool wr_result_failed(const struct wr_value *value)
{
    return !wr_value_bool(value, "success", true);
}

enum wr_error_class wr_outcome_class(int r, const struct wr_value *value,
                                     const struct wr_error *err)
{
    if (r < 0)
        return wr_error_classify(err);
    return wr_result_failed(value) ? WR_CLASS_CODE : WR_CLASS_NONE;
}

int wr_classes_check(unsigned classes, const char *what, struct wr_error *err)
{
    if (classes & ~WR_CLASSES_ALL)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: %#x has bits that are no class", what,
                       classes);
    return 0;
}

json_t *wr_error_text(const char *text)
{
    return wr_value_json(wr_value_of_bytes(text, strlen(text)));
}
