/* JSON from outside: parsed, read by a table of fields, its strings written and parsed again. */
#include "fuzz.h"
#include "json/jread.h"
#include "json/jwrite.h"

static void check_string(const char *s, bool ascii)
{
    wr_auto_buf out = WR_BUF(65536);
    wr_auto_json *again = NULL;
    struct wr_error err;
    struct wr_jw w;

    wr_jw_init(&w, &out);
    w.ascii = ascii;
    wr_jw_object(&w);
    wr_jw_kstr(&w, "s", s);
    wr_jw_end(&w);
    HOLDS(wr_jw_finish(&w) == 0);
    HOLDS(wr_json_parse(wr_buf_ptr(&out), out.len, &again, &err) == 0);
    HOLDS(strcmp(json_string_value(json_object_get(again, "s")), s) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_json *json = NULL;
    struct wr_error err;
    const char *text = NULL;
    uint64_t number = 0;
    json_t *list = NULL;

    if (wr_json_parse((const char *)data, size, &json, &err) < 0)
        return 0;
    const struct wr_json_field fields[] = {
        {.name = "s", .kind = WR_JSON_STRING, .ret = &text},
        {.name = "u", .kind = WR_JSON_U64, .ret = &number, .min = 1, .max = 1000},
        {.name = "a", .kind = WR_JSON_ARRAY, .ret = &list, .max = 3},
    };
    int strict = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, &err);
    int loose = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &err);
    HOLDS(strict < 0 || loose == 0);
    if (loose == 0) {
        HOLDS(number <= 1000 && (!list || json_array_size(list) <= 3));
        if (text) {
            HOLDS(strlen(text) <= 4096);
            check_string(text, false);
            check_string(text, true);
        }
    }
    return 0;
}
