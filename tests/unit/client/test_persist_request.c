#include <string.h>

#include "base/base.h"
#include "client/persist_request.h"
#include "test.h"

TEST(references_of_snapshots)
{
    static const char *const good[] = {"abc", "team/name:tag", "a.b_c-9", "0123:default", "A/b"};
    static const char *const bad[] = {"", ".", "../x", "a b", "a?b", "a%2fb", "a\"b", "\xc3\xa4"};
    struct wr_error err = {0};
    char longest[WR_SNAPSHOT_REF_MAX + 1];

    for (size_t i = 0; i < WR_ARRAY_SIZE(good); i++)
        CHECK_INT(wr_snapshot_ref_check(good[i], &err), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(wr_snapshot_ref_check(bad[i], &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_snapshot_ref_check(NULL, &err), -WR_E_INVALID_ARGUMENT);
    memset(longest, 'x', sizeof longest);
    longest[WR_SNAPSHOT_REF_MAX] = '\0';
    CHECK_INT(wr_snapshot_ref_check(longest, &err), -WR_E_INVALID_ARGUMENT);
    longest[WR_SNAPSHOT_REF_MAX - 1] = '\0';
    CHECK_INT(wr_snapshot_ref_check(longest, &err), 0);
}

TEST(a_reference_is_one_segment)
{
    char target[WR_SNAPSHOT_TARGET_MAX], longest[WR_SNAPSHOT_REF_MAX];
    struct wr_error err = {0};

    CHECK_INT(wr_snapshot_target("/snapshots/", "team/name:v1.2", "/tree", target, &err), 0);
    CHECK_STR(target, "/snapshots/team%2Fname%3Av1.2/tree");
    memset(longest, ':', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    CHECK_INT(wr_snapshot_target("/templates/", longest, "", target, &err), 0);
    CHECK_INT(strlen(target), strlen("/templates/") + 3 * (sizeof longest - 1));
    CHECK_INT(wr_snapshot_target("/templates/", "a/../b c", "", target, &err),
              -WR_E_INVALID_ARGUMENT);
}

TEST(lists_are_filtered)
{
    char target[WR_SNAPSHOT_TARGET_MAX];
    struct wr_error err = {0};

    CHECK_INT(wr_snapshot_list_target(&(struct wr_snapshot_list_opts){0}, target, &err), 0);
    CHECK_STR(target, "/snapshots?limit=100");
    CHECK_INT(
        wr_snapshot_list_target(&(struct wr_snapshot_list_opts){.sandbox_id = "abc", .name = "n:t"},
                                target, &err),
        0);
    CHECK_STR(target, "/snapshots?limit=100&sandboxID=abc&name=n%3At");
    CHECK_INT(wr_snapshot_list_target(&(struct wr_snapshot_list_opts){.name = "&"}, target, &err),
              -WR_E_INVALID_ARGUMENT);
}

TEST(bodies)
{
    char body[WR_PERSIST_BODY_MAX];
    struct wr_error err = {0};

    CHECK_INT(wr_pause_body(&(struct wr_pause_opts){0}, body, &err), 0);
    CHECK_STR(body, "{\"memory\":true}");
    CHECK_INT(wr_pause_body(&(struct wr_pause_opts){.level = WR_SANDBOX_FROZEN, .files_only = true},
                            body, &err),
              0);
    CHECK_STR(body, "{\"memory\":false,\"level\":\"frozen\"}");
    CHECK_INT(wr_pause_body(&(struct wr_pause_opts){.level = (enum wr_sandbox_level)9}, body, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_resume_body(&(struct wr_resume_opts){.timeout_s = 7}, body, &err), 0);
    CHECK_STR(body, "{\"timeout\":7}");
    CHECK_INT(
        wr_resume_body(&(struct wr_resume_opts){.timeout_s = 7, .files_only = true}, body, &err),
        0);
    CHECK_STR(body, "{\"timeout\":7,\"memory\":false}");
    CHECK_INT(wr_rollback_body("t:default", 9, body, &err), 0);
    CHECK_STR(body, "{\"snapshotID\":\"t:default\",\"timeout\":9}");
    CHECK_INT(wr_rollback_body("\"", 9, body, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_snapshot_body(&(struct wr_snapshot_opts){0}, body, &err), 0);
    CHECK_STR(body, "{}");
    CHECK_INT(
        wr_snapshot_body(&(struct wr_snapshot_opts){.name = "a:b", .files_only = true}, body, &err),
        0);
    CHECK_STR(body, "{\"name\":\"a:b\",\"memory\":false}");
    CHECK_INT(wr_snapshot_body(&(struct wr_snapshot_opts){.files_only = true}, body, &err), 0);
    CHECK_STR(body, "{\"memory\":false}");
    CHECK_INT(wr_snapshot_body(&(struct wr_snapshot_opts){.name = ""}, body, &err),
              -WR_E_INVALID_ARGUMENT);
}

TEST(both_sides_of_the_number_of_forks)
{
    static const unsigned counts[] = {0, 1, WR_FORK_MAX, WR_FORK_MAX + 1};
    static const int expected[] = {-WR_E_INVALID_ARGUMENT, 0, 0, -WR_E_INVALID_ARGUMENT};
    char body[WR_PERSIST_BODY_MAX];
    struct wr_error err = {0};

    for (size_t i = 0; i < WR_ARRAY_SIZE(counts); i++)
        CHECK_INT(
            wr_fork_body(&(struct wr_fork_opts){.count = counts[i], .timeout_s = 5}, body, &err),
            expected[i]);
    CHECK_INT(wr_fork_body(&(struct wr_fork_opts){.count = 3, .timeout_s = 5}, body, &err), 0);
    CHECK_STR(body, "{\"timeout\":5,\"count\":3}");
}
