#include "json/value.h"
#include "primitives/secure/audit_line.h"
#include "test.h"

static struct wr_value *parsed(const char *json)
{
    struct wr_value *value = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_value_parse(json, strlen(json), &value, &err), 0);
    return value;
}

TEST(a_line_has_its_form)
{
    wr_auto_value *record = parsed("{\"b\":2,\"a\":\"x\\ny\"}");
    wr_auto_buf out = WR_BUF(4096);
    struct wr_audit_link link;
    struct wr_error err = {0};
    struct wr_audit_line line;

    wr_audit_link_init(&link);
    CHECK_INT(wr_audit_line_write(record, 1767323045678, &link, &out, &err), 0);
    const char *start =
        "{\"seq\":1,\"time\":\"2026-01-02T03:04:05.678Z\",\"prev\":\"" WR_AUDIT_NO_HASH
        "\",\"a\":\"x\\ny\",\"b\":2,\"hash\":\"";
    CHECK(memcmp(wr_buf_ptr(&out), start, strlen(start)) == 0);
    CHECK_INT(out.len, strlen(start) + 64 + 3);
    CHECK(memcmp(wr_buf_ptr(&out) + out.len - 3, "\"}\n", 3) == 0);
    CHECK_INT(link.seq, 1);
    CHECK_INT(wr_audit_line_read(wr_buf_ptr(&out), out.len - 1, &line, &err), 0);
    CHECK_STR(line.link.hash, link.hash);
    CHECK_STR(line.prev, WR_AUDIT_NO_HASH);
    CHECK_STR(line.time, "2026-01-02T03:04:05.678Z");
}

TEST(a_record_without_members)
{
    wr_auto_value *record = wr_value_object();
    wr_auto_buf out = WR_BUF(4096);
    struct wr_audit_link link;
    struct wr_error err = {0};
    struct wr_audit_line line;

    wr_audit_link_init(&link);
    CHECK_INT(wr_audit_line_write(record, 0, &link, &out, &err), 0);
    CHECK_INT(wr_audit_line_read(wr_buf_ptr(&out), out.len - 1, &line, &err), 0);
    CHECK_STR(line.link.hash, link.hash);
}

TEST(records_that_are_refused)
{
    static const char *const texts[] = {"[1]",          "\"x\"",        "{\"seq\":1}",
                                        "{\"time\":1}", "{\"prev\":1}", "{\"hash\":1}"};
    wr_auto_buf out = WR_BUF(4096);
    struct wr_audit_link link;
    struct wr_error err = {0};

    wr_audit_link_init(&link);
    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++) {
        wr_auto_value *record = parsed(texts[i]);
        CHECK_INT(wr_audit_line_write(record, 0, &link, &out, &err), -WR_E_INVALID_ARGUMENT);
    }
    CHECK_INT(out.len, 0);
    CHECK_INT(link.seq, 0);
}

TEST(a_line_has_a_length)
{
    wr_auto_buf out = WR_BUF(2 * WR_AUDIT_LINE_MAX);
    struct wr_audit_link link;
    struct wr_error err = {0};
    char *text = malloc(WR_AUDIT_LINE_MAX + 1);

    CHECK(text != NULL);
    memset(text, 'x', WR_AUDIT_LINE_MAX);
    text[WR_AUDIT_LINE_MAX] = '\0';
    wr_auto_value *record = wr_value_object();
    CHECK_INT(wr_value_set(record, "t", wr_value_of_string(text), &err), 0);
    free(text);
    wr_audit_link_init(&link);
    CHECK_INT(wr_audit_line_write(record, 0, &link, &out, &err), -WR_E_RESOURCE_EXHAUSTED);
}

/* Whole JSON with a right hash, but no line of a log. */
TEST(foreign_lines)
{
    static const char *const starts[] = {
        "{\"time\":\"2026-01-02T03:04:05.678Z\",\"prev\":\"" WR_AUDIT_NO_HASH "\"",
        "{\"seq\":0,\"time\":\"2026-01-02T03:04:05.678Z\",\"prev\":\"" WR_AUDIT_NO_HASH "\"",
        "{\"seq\":1,\"time\":\"yesterday\",\"prev\":\"" WR_AUDIT_NO_HASH "\"",
        "{\"seq\":1,\"time\":\"2026-01-02T03:04:05.678Z\",\"prev\":\"00\"",
        "{\"seq\":1,\"seq\":2,\"time\":\"2026-01-02T03:04:05.678Z\",\"prev\":\"" WR_AUDIT_NO_HASH
        "\"",
        "no json",
    };
    struct wr_audit_line line;
    struct wr_error err = {0};

    for (size_t i = 0; i < WR_ARRAY_SIZE(starts); i++) {
        char hash[WR_AUDIT_HASH_LEN + 1];
        wr_auto_buf text = WR_BUF(4096);
        wr_sha256_hex(starts[i], strlen(starts[i]), hash);
        CHECK_INT(wr_buf_printf(&text, "%s,\"hash\":\"%s\"}", starts[i], hash), 0);
        CHECK_INT(wr_audit_line_read(wr_buf_ptr(&text), text.len, &line, &err), -WR_E_DATA_LOSS);
    }
    CHECK_INT(wr_audit_line_read("", 0, &line, &err), -WR_E_DATA_LOSS);
}
