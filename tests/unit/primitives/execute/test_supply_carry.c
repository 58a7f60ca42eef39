#include "primitives/execute/supply_carry.h"
#include "supply_fixture.h"
#include "warren/files.h"

struct pair {
    struct wr_sandbox *from, *to;
};

static struct pair pair_of(struct fixture *f)
{
    struct pair pair = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_sandbox_create(f->client, NULL, NULL, &pair.from, &err), 0);
    CHECK_INT(wr_sandbox_create(f->client, NULL, NULL, &pair.to, &err), 0);
    return pair;
}

static void done(struct fixture *f, struct pair *pair)
{
    struct wr_error err = {0};

    CHECK_INT(wr_sandbox_kill(pair->from, NULL, &err), 0);
    CHECK_INT(wr_sandbox_kill(pair->to, NULL, &err), 0);
    wr_sandbox_free(pair->from);
    wr_sandbox_free(pair->to);
    fixture_free(f);
}

/* What the programs in the sandbox would have made. */
static void write_file(struct wr_sandbox *sandbox, const char *path, const char *text)
{
    struct wr_error err = {0};

    CHECK_INT(wr_files_write(sandbox, path, NULL, text, strlen(text), NULL, &err), 0);
}

static int answer_cell(struct fake_driver *driver, const struct wr_call *call,
                       const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                       struct wr_error *err)
{
    (void)driver;
    (void)call;
    (void)data;
    (void)err;
    *ret = fake_code_result(strstr(opts->code, "_warren_carry_load")
                                ? "{\"loaded\": 2, \"left\": {\"f\": \"AttributeError\"}}"
                                : "{\"saved\": 3, \"left\": {\"socket\": \"TypeError\"}}",
                            "", NULL, NULL, NULL);
    return 0;
}

TEST(what_goes_along_and_what_does_not)
{
    struct fixture *f = fixture_new();
    struct pair pair = pair_of(f);
    json_t *report = json_object();

    write_file(pair.from, "/tmp/.warren-carry-home", "a tar");
    write_file(pair.from, "/tmp/.warren-carry-variables", "pickles");
    fake_driver_on_code(f->driver, answer_cell, NULL);
    wr_carry(pair.from, pair.to, &(struct wr_carry){.files = true, .variables = true}, report);
    CHECK_STR(json_string_value(json_object_get(report, "files")), "carried");
    CHECK_INT(json_integer_value(json_object_get(report, "variables")), 2);
    const json_t *left = json_object_get(report, "variables_left");
    CHECK_INT(json_object_size(left), 2);
    CHECK_STR(json_string_value(json_object_get(left, "socket")), "TypeError");
    CHECK_STR(json_string_value(json_object_get(left, "f")), "AttributeError");
    char *moved = fake_driver_file(f->driver, wr_sandbox_id(pair.to), "/tmp/.warren-carry-home");
    CHECK_STR(moved, "a tar");
    free(moved);
    json_decref(report);
    done(f, &pair);
}

static int no_space(struct fake_driver *driver, const struct wr_call *call,
                    const struct wr_program_opts *opts, void *data, struct wr_value **ret,
                    struct wr_error *err)
{
    (void)driver;
    (void)call;
    (void)opts;
    (void)data;
    (void)err;
    *ret = fake_program_result(2, "", "tar: File size limit exceeded");
    return 0;
}

TEST(one_part_that_fails_does_not_keep_the_other_back)
{
    struct fixture *f = fixture_new();
    struct pair pair = pair_of(f);
    json_t *report = json_object();

    write_file(pair.from, "/tmp/.warren-carry-variables", "pickles");
    fake_driver_on_program(f->driver, no_space, NULL);
    fake_driver_on_code(f->driver, answer_cell, NULL);
    wr_carry(pair.from, pair.to, &(struct wr_carry){.files = true, .variables = true}, report);
    CHECK(strstr(json_string_value(json_object_get(report, "files")), "File size limit"));
    CHECK_INT(json_integer_value(json_object_get(report, "variables")), 2);
    json_decref(report);

    report = json_object();
    fake_driver_fail(f->driver, FAKE_CODE, 1, 1, WR_E_DEADLINE_EXCEEDED);
    wr_carry(pair.from, pair.to, &(struct wr_carry){.variables = true}, report);
    CHECK(!json_object_get(report, "files"));
    CHECK_INT(json_integer_value(json_object_get(report, "variables")), 0);
    CHECK(json_is_string(json_object_get(report, "variables_left")));
    json_decref(report);
    done(f, &pair);
}
