#include <fcntl.h>

#include "audit_scene.h"
#include "json/value.h"
#include "primitives/secure/audit_line.h"
#include "test.h"

TEST(what_it_reports)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    wr_auto_value *empty = NULL, *three = NULL;

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 0);
    CHECK_INT(wr_audit_verify(scene.path, NULL, &empty, &err), 0);
    CHECK_INT(wr_value_int(empty, "records", -1), 0);
    CHECK_STR(wr_value_string(empty, "last_hash"), WR_AUDIT_NO_HASH);
    CHECK(json_is_null(wr_value_json(wr_value_get(empty, "first_time"))));
    audit_scene_fill(&scene, 3);
    CHECK_INT(wr_audit_verify(scene.path, NULL, &three, &err), 0);
    CHECK_INT(wr_value_int(three, "records", -1), 3);
    CHECK_INT(strlen(wr_value_string(three, "first_time")), 24);
    CHECK(strcmp(wr_value_string(three, "first_time"), wr_value_string(three, "last_time")) <= 0);
    audit_scene_end(&scene);
}

/* No byte can be another one. */
TEST(every_byte_counts)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    wr_auto_buf text = WR_BUF(1 << 20);

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 3);
    audit_scene_read(&scene, &text);
    char *bytes = wr_buf_ptr(&text);
    for (size_t i = 0, line = 1; i < text.len; i++) {
        char was = bytes[i], number[24];
        for (int change = 0; change < 3; change++) {
            bytes[i] = change == 0 ? (char)(was ^ 1) : change == 1 ? ' ' : '\n';
            if (bytes[i] == was)
                continue;
            audit_scene_write(&scene, bytes, text.len);
            CHECK_INT(audit_scene_verify(&scene, NULL, &err), -1);
            CHECK_INT(err.code, WR_E_DATA_LOSS);
            snprintf(number, sizeof number, "line %zu ", line);
            if (!strstr(err.msg, number))
                wr_test_fail(__FILE__, __LINE__, "byte %zu: %s", i, err.msg);
        }
        bytes[i] = was;
        line += was == '\n';
    }
    audit_scene_end(&scene);
}

/* The log without the lines [from, to), or with them twice. */
static void without(const struct wr_buf *text, size_t from, size_t to, bool twice,
                    struct wr_buf *out)
{
    wr_buf_clear(out);
    CHECK_INT(wr_buf_append(out, wr_buf_ptr(text), twice ? to : from), 0);
    size_t rest = twice ? from : to;
    CHECK_INT(wr_buf_append(out, wr_buf_ptr(text) + rest, text->len - rest), 0);
}

TEST(lines_that_are_missing_or_twice)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    wr_auto_buf text = WR_BUF(1 << 20), changed = WR_BUF(1 << 20);
    size_t starts[6] = {0};
    char hash[65];

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 5);
    audit_scene_hash(&scene, hash);
    audit_scene_read(&scene, &text);
    for (size_t i = 0, n = 1; i < text.len; i++)
        if (wr_buf_ptr(&text)[i] == '\n')
            starts[n++] = i + 1;
    for (size_t from = 0; from < 5; from++)
        for (size_t to = from + 1; to <= 5; to++) {
            without(&text, starts[from], starts[to], false, &changed);
            audit_scene_write(&scene, wr_buf_ptr(&changed), changed.len);
            /* An end that was cut off can be seen only by who knows what there was. */
            CHECK_INT(audit_scene_verify(&scene, NULL, &err), to == 5 ? (int)from : -1);
            CHECK_INT(audit_scene_verify(&scene, hash, &err), -1);
            CHECK_INT(err.code, WR_E_DATA_LOSS);
            without(&text, starts[from], starts[to], true, &changed);
            audit_scene_write(&scene, wr_buf_ptr(&changed), changed.len);
            CHECK_INT(audit_scene_verify(&scene, NULL, &err), -1);
        }
    audit_scene_write(&scene, wr_buf_ptr(&text), text.len);
    CHECK_INT(audit_scene_verify(&scene, hash, &err), 5);
    audit_scene_end(&scene);
}

TEST(an_earlier_hash_is_in_it)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    char early[65];

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 2);
    audit_scene_hash(&scene, early);
    audit_scene_fill(&scene, 2);
    CHECK_INT(audit_scene_verify(&scene, early, &err), 4);
    CHECK_INT(audit_scene_verify(&scene, WR_AUDIT_NO_HASH, &err), 4);
    early[5] = early[5] == 'a' ? 'b' : 'a';
    CHECK_INT(audit_scene_verify(&scene, early, &err), -1);
    CHECK_INT(err.code, WR_E_DATA_LOSS);
    CHECK_INT(audit_scene_verify(&scene, "short", &err), -1);
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    audit_scene_end(&scene);
}

/* Two logs, each whole, one behind the other. */
TEST(a_chain_that_begins_anew)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    wr_auto_buf text = WR_BUF(1 << 20), twice = WR_BUF(1 << 20);

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 2);
    audit_scene_read(&scene, &text);
    without(&text, 0, text.len, true, &twice);
    audit_scene_write(&scene, wr_buf_ptr(&twice), twice.len);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), -1);
    CHECK(strstr(err.msg, "line 3") != NULL);
    audit_scene_end(&scene);
}

TEST(a_line_without_end)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    size_t len = 3 * WR_AUDIT_LINE_MAX;
    char *much = malloc(len);

    audit_scene_begin(&scene);
    CHECK(much != NULL);
    memset(much, 'x', len);
    audit_scene_write(&scene, much, len);
    free(much);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), -1);
    CHECK_INT(err.code, WR_E_DATA_LOSS);
    audit_scene_end(&scene);
}

TEST(files_that_are_none)
{
    struct audit_scene scene;
    struct wr_error err = {0};

    audit_scene_begin(&scene);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), -1);
    CHECK_INT(err.code, WR_E_NOT_FOUND);
    wr_auto_value *report = NULL;
    CHECK_INT(wr_audit_verify(scene.dir, NULL, &report, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_audit_verify(NULL, NULL, &report, &err), -WR_E_INVALID_ARGUMENT);
    audit_scene_end(&scene);
}
