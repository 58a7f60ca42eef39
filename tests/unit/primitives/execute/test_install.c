#include "primitives/execute/install.h"
#include "support/fake_driver.h"
#include "test.h"

TEST(requirements)
{
    char longest[302];

    CHECK(wr_install_requirement_valid("requests"));
    CHECK(wr_install_requirement_valid("a[b,c]>=1.0,<2; python_version < '3.12'"));
    CHECK(wr_install_requirement_valid("x @ https://host/x.whl"));
    CHECK(!wr_install_requirement_valid(""));
    CHECK(!wr_install_requirement_valid("-r"));
    CHECK(!wr_install_requirement_valid("--pre"));
    CHECK(!wr_install_requirement_valid(" -r x"));
    CHECK(!wr_install_requirement_valid("a\tb"));
    CHECK(!wr_install_requirement_valid("a\nb"));
    memset(longest, 'x', 301);
    longest[301] = '\0';
    CHECK(!wr_install_requirement_valid(longest));
    longest[300] = '\0';
    CHECK(wr_install_requirement_valid(longest));
}

static void reason_is(const char *output, const char *expected)
{
    char reason[180];

    wr_install_reason(output, reason, sizeof reason);
    CHECK_STR(reason, expected);
}

TEST(the_reason_is_the_last_error_line)
{
    reason_is("WARNING: x\nERROR: Could not find a version\nERROR: No matching distribution\n"
              "[notice] new release\n",
              "No matching distribution");
    reason_is("one\ntwo\n\n", "two");
    reason_is("", "");
    reason_is("ERROR: ", "");
}

TEST(passwords_in_urls_are_hidden)
{
    reason_is("ERROR: 404 for https://user:secret@host/simple and http://tok@h/x",
              "404 for https://***@host/simple and http://***@h/x");
    reason_is("see https://host/a@b", "see https://host/a@b");
    reason_is("ssh://a:b@c@host/x", "ssh://***@host/x");
}

TEST(a_reason_ends_at_a_character)
{
    char reason[8];

    wr_install_reason("abcde\u20acxyz", reason, sizeof reason);
    CHECK_STR(reason, "abcde");
}

/* ---- pip ---- */

struct pip {
    char argv[400];
    int exit_code, code;
};

static int on_program(struct fake_driver *driver, const struct wr_call *call,
                      const struct wr_program_opts *opts, void *data, struct wr_value **ret,
                      struct wr_error *err)
{
    struct pip *pip = data;

    (void)driver;
    (void)call;
    for (size_t i = 0, at = 0; i < opts->argv_count; i++)
        at += (size_t)snprintf(pip->argv + at, sizeof pip->argv - at, "%s ", opts->argv[i]);
    if (pip->code) {
        err->code = pip->code;
        return -pip->code;
    }
    *ret = fake_program_result(pip->exit_code, "", "ERROR: No matching distribution for nope\n");
    return 0;
}

static int install(struct pip *pip, const struct wr_install *what, struct wr_error *err)
{
    struct fake_driver *driver = fake_driver_new();
    struct wr_client *client = fake_driver_client(driver);
    struct wr_workflow *workflow = wr_workflow_new(NULL, err);
    struct wr_sandbox *sandbox = NULL;
    struct wr_install made = *what;

    fake_driver_on_program(driver, on_program, pip);
    CHECK_INT(wr_sandbox_create(client, NULL, NULL, &sandbox, err), 0);
    made.sandbox = sandbox;
    int r = wr_install_packages(&made, workflow, err);
    wr_sandbox_free(sandbox);
    wr_workflow_free(workflow);
    wr_client_free(client);
    fake_driver_free(driver);
    return r;
}

TEST(pip_runs_as_a_program_without_a_shell)
{
    const char *const packages[] = {"a>1", "b; x"};
    struct pip pip = {0};
    struct wr_error err = {0};

    CHECK_INT(install(&pip, &(struct wr_install){.packages = packages, .count = 2}, &err), 0);
    CHECK_STR(pip.argv, "python3 -m pip install --quiet --disable-pip-version-check --no-input "
                        "--no-color -- a>1 b; x ");
}

TEST(nothing_to_install_runs_nothing)
{
    struct pip pip = {.exit_code = 1};
    struct wr_error err = {0};

    CHECK_INT(install(&pip, &(struct wr_install){0}, &err), 0);
    CHECK_STR(pip.argv, "");
}

TEST(failures)
{
    const char *const packages[] = {"nope"};
    const struct wr_install what = {.packages = packages, .count = 1, .timeout_ms = 120000};
    struct pip pip = {.exit_code = 1};
    struct wr_error err = {0};

    CHECK_INT(install(&pip, &what, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_STR(err.msg, "pip: No matching distribution for nope");
    pip = (struct pip){.code = WR_E_DEADLINE_EXCEEDED};
    CHECK_INT(install(&pip, &what, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK(strstr(err.msg, "longer than 120 seconds"));
    pip = (struct pip){.code = WR_E_UNAVAILABLE};
    CHECK_INT(install(&pip, &what, &err), -WR_E_UNAVAILABLE);
}
