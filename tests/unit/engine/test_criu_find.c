#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/snapshot/criu_find.h"
#include "test.h"

static struct wr_error err;

TEST(versions_and_kernels)
{
    static const struct {
        const char *version, *kernel;
        bool fits;
    } cases[] = {
        {"4.2.1-warren7", "6.18.44-fc", true},
        {"4.2-warren7", "6.16.0", true},
        {"4.1.1-warren7", "6.16.0", false},
        {"4.1.1-warren7", "6.15.9-amd64", true},
        {"4.0-warren7", "6.15.9", false},
        {"4.1-warren7", "7.0", false},
        {"5.0-warren12", "7.1", true},
        {"4.2.1-warren6", "6.18.0", false},
        {"3.17.1-warren7", "6.1.0", false},
        {"4.2.1", "6.18.0", false},
        {"4.2.1-debian3", "6.18.0", false},
        {"4.2.1-warren", "6.18.0", false},
        {"", "6.18.0", false},
        {"4.2.1-warren7", "six", false},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        const int rc = wr_criu_fits(cases[i].version, cases[i].kernel, &err);
        if (rc != (cases[i].fits ? 0 : -WR_E_FAILED_PRECONDITION))
            wr_test_fail(__FILE__, __LINE__, "%s on %s: %d", cases[i].version, cases[i].kernel, rc);
    }
    CHECK_INT(wr_criu_fits("4.2.1", "6.18.0", &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "not Warren's build") && strstr(err.msg, "`warren criu install`"));
    CHECK_INT(wr_criu_fits("4.1.1-warren7", "6.18.0", &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "too old") && strstr(err.msg, "`warren criu install`"));
}

/* A directory of root's with a program in it that says which version it is. */
static char directory[] = "/tmp/test_criu.XXXXXX";
static char program[64];

static void make_program(const char *script)
{
    NEEDS_ROOT();
    if (!program[0])
        CHECK(mkdtemp(directory) && wr_strformat(program, sizeof program, "%s/criu", directory));
    CHECK_INT(wr_file_replace(AT_FDCWD, program, script, strlen(script), 0755, WR_VOLATILE), 0);
}

static void remove_program(void)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, directory), 0);
}

TEST(only_root_may_be_able_to_change_it)
{
    make_program("");
    CHECK_INT(wr_criu_check_owner(program, &err), 0);
    CHECK_INT(chmod(program, 0775), 0);
    CHECK_INT(wr_criu_check_owner(program, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(chmod(program, 0757), 0);
    CHECK_INT(wr_criu_check_owner(program, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(chmod(program, 0644), 0);
    CHECK_INT(wr_criu_check_owner(program, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "is not a program"));
    CHECK_INT(chmod(program, 0755), 0);
    CHECK_INT(chown(program, 12345, 0), 0);
    CHECK_INT(wr_criu_check_owner(program, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(chown(program, 0, 0), 0);
    /* The directory decides who may put another file there. */
    CHECK_INT(chmod(directory, 0777), 0);
    CHECK_INT(wr_criu_check_owner(program, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, directory));
    CHECK_INT(chmod(directory, 01777), 0);
    CHECK_INT(wr_criu_check_owner(program, &err), 0);
    CHECK_INT(chown(directory, 12345, 0), 0);
    CHECK_INT(wr_criu_check_owner(program, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_criu_check_owner(directory, &err), -WR_E_FAILED_PRECONDITION);
    remove_program();
}

TEST(the_operators_program_is_asked_for_its_version)
{
    struct wr_criu criu = {.version = "untouched"};

    make_program("#!/bin/sh\necho Version: 9.9.9-warren99\necho GitID: x\n");
    CHECK_INT(wr_criu_find(program, &criu, &err), 0);
    CHECK_STR(criu.version, "9.9.9-warren99");
    CHECK_STR(criu.path, program);

    criu = (struct wr_criu){.version = "untouched"};
    make_program("#!/bin/sh\necho Version: 4.2.1\n");
    CHECK_INT(wr_criu_find(program, &criu, &err), -WR_E_FAILED_PRECONDITION);
    make_program("#!/bin/sh\necho something\n");
    CHECK_INT(wr_criu_find(program, &criu, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "says no version"));
    make_program("#!/bin/sh\necho Version: 9.9.9-warren99; exit 1\n");
    CHECK_INT(wr_criu_find(program, &criu, &err), -WR_E_FAILED_PRECONDITION);
    make_program("#!/nonexistent/sh\n");
    CHECK_INT(wr_criu_find(program, &criu, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_STR(criu.version, "untouched");
    remove_program();
    CHECK_INT(wr_criu_find(program, &criu, &err), -WR_E_FAILED_PRECONDITION);
}

TEST(a_link_is_followed_before_it_is_trusted)
{
    struct wr_criu criu;
    char link[80];

    make_program("#!/bin/sh\necho Version: 9.9.9-warren99\n");
    CHECK(wr_strformat(link, sizeof link, "%s/link", directory));
    CHECK_INT(symlink(program, link), 0);
    CHECK_INT(wr_criu_find(link, &criu, &err), 0);
    CHECK_STR(criu.path, program);
    remove_program();
}
