#include "cli/doctor_checks.h"
#include "test.h"

TEST(kernel_versions)
{
    unsigned major = 0, minor = 0;
    CHECK(wr_kernel_version("6.1.0-13-amd64", &major, &minor));
    CHECK(major == 6 && minor == 1);
    CHECK(wr_kernel_version("5.19", &major, &minor));
    CHECK(major == 5 && minor == 19);
    CHECK(!wr_kernel_version("six", &major, &minor));
}

TEST(every_check_finds_something)
{
    const struct wr_doctor_place place = {"/nonexistent/socket", "/nonexistent"};
    for (size_t i = 0; i < wr_doctor_check_count; i++) {
        struct wr_finding finding = {0};
        wr_doctor_checks[i].run(&place, &finding);
        if (!finding.found[0] || (finding.health == WR_HEALTH_FAIL && !finding.mend))
            wr_test_fail(__FILE__, __LINE__, "%s says nothing useful", wr_doctor_checks[i].name);
    }
}
