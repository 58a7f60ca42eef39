#include "base/options.h"
#include "test.h"

struct old_opts {
    size_t struct_size;
    int first;
};
struct new_opts {
    size_t struct_size;
    int first;
    int padding;
    const char *second;
};

TEST(null_is_all_defaults)
{
    struct new_opts opts = {.first = 5};
    struct wr_error err = {0};
    CHECK_INT(wr_options_read(NULL, &opts, sizeof opts, "new_opts", &err), 0);
    CHECK(opts.first == 0 && !opts.second && opts.struct_size == sizeof opts);
}

TEST(an_older_caller_has_defaults_for_what_it_does_not_know)
{
    struct old_opts given = {sizeof given, 7};
    struct new_opts opts = {.second = "left over"};
    struct wr_error err = {0};
    CHECK_INT(wr_options_read(&given, &opts, sizeof opts, "new_opts", &err), 0);
    CHECK_INT(opts.first, 7);
    CHECK(!opts.second && opts.struct_size == sizeof opts);
}

TEST(a_newer_caller_is_understood_or_refused)
{
    struct new_opts given = {sizeof given, 7, 0, NULL};
    struct old_opts opts = {0};
    struct wr_error err = {0};
    CHECK_INT(wr_options_read(&given, &opts, sizeof opts, "old_opts", &err), 0);
    CHECK_INT(opts.first, 7);
    given.second = "new";
    opts.first = 1;
    CHECK_INT(wr_options_read(&given, &opts, sizeof opts, "old_opts", &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "old_opts"));
    CHECK_INT(opts.first, 1);
}

TEST(a_size_that_was_not_set_is_refused)
{
    struct new_opts given = {.first = 7}, opts = {.first = 1};
    struct wr_error err = {0};
    static const size_t bad[] = {0, 1, sizeof(size_t) - 1, 4097, SIZE_MAX};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        given.struct_size = bad[i];
        CHECK_INT(wr_options_read(&given, &opts, sizeof opts, "new_opts", &err),
                  -WR_E_INVALID_ARGUMENT);
        CHECK_INT(opts.first, 1);
    }
    given.struct_size = sizeof(size_t);
    CHECK_INT(wr_options_read(&given, &opts, sizeof opts, "new_opts", &err), 0);
    CHECK_INT(opts.first, 0);
}
