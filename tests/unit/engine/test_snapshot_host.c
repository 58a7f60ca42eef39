#include "base/str.h"
#include "engine/snapshot/host.h"
#include "test.h"

static struct wr_error err;

static struct wr_host host(const char *kernel, const char *machine, const char *features)
{
    struct wr_host h = {.criu = "4.2.1"};
    CHECK(wr_strcopy(h.kernel, sizeof(h.kernel), kernel) &&
          wr_strcopy(h.machine, sizeof(h.machine), machine) &&
          wr_strcopy(h.features, sizeof(h.features), features));
    return h;
}

TEST(this_host_fits_itself)
{
    struct wr_host h = {.criu = ""};
    CHECK_INT(wr_host_read(&h, &err), 0);
    CHECK(h.kernel[0] && h.machine[0] && h.features[0]);
    CHECK_INT(wr_host_fits(&h, &h, &err), 0);
}

TEST(features_of_x86)
{
    char found[WR_HOST_FEATURES_MAX];
    /* Flags of the kernel's own are left out, part words are no words, the first processor counts.
     */
    CHECK_INT(wr_host_features("x86_64",
                               "processor\t: 0\nvmx flags\t: vnmi\nflags\t\t: sse2 fpu pti "
                               "avx512f_x hypervisor avx2\nbugs: x\n\nflags\t\t: avx512f\n",
                               found, &err),
              0);
    CHECK_STR(found, "avx2 fpu sse2");
    CHECK_INT(wr_host_features("x86_64", "flags : fpu", found, &err), 0);
    CHECK_STR(found, "fpu");
}

TEST(features_of_arm)
{
    char found[WR_HOST_FEATURES_MAX];
    CHECK_INT(
        wr_host_features("aarch64", "Features\t: fp asimd aes\nCPU part\t: 0xd0c\n", found, &err),
        0);
    CHECK_STR(found, "aes asimd fp");
}

TEST(unknown_processors_are_an_error)
{
    char found[WR_HOST_FEATURES_MAX] = "untouched";
    static char many[20000] = "Features : ";
    CHECK_INT(wr_host_features("s390x", "flags : fpu", found, &err), -WR_E_INTERNAL);
    CHECK_INT(wr_host_features("x86_64", "", found, &err), -WR_E_INTERNAL);
    CHECK_INT(wr_host_features("x86_64", "flagship : fpu\n", found, &err), -WR_E_INTERNAL);
    CHECK_INT(wr_host_features("x86_64", "flags : \n", found, &err), -WR_E_INTERNAL);
    for (size_t i = strlen(many); i + 2 < sizeof(many); i += 2)
        memcpy(many + i, "x ", 2);
    CHECK_INT(wr_host_features("aarch64", many, found, &err), -WR_E_INTERNAL);
    CHECK_STR(found, "untouched");
}

TEST(what_fits)
{
    static const struct {
        const char *saved_kernel, *here_kernel, *saved_features, *here_features;
        const char *why; /* "" when it fits */
    } rows[] = {
        {"6.18.44-x", "6.18.44-x", "avx fpu", "avx fpu", ""},
        {"6.18.44-x", "6.18.1", "avx fpu", "avx fpu", ""}, /* the third number does not count */
        {"6.1.0-18-amd64", "6.18.44", "", "avx", ""},
        {"5.19.0", "6.1.0", "fpu", "avx fpu", ""},
        {"6.18.44", "6.17.99", "fpu", "fpu", "Linux 6.18.44, newer than 6.17.99"},
        {"6.18", "5.19", "fpu", "fpu", "newer than 5.19"},
        {"7.0.0", "6.99.0", "fpu", "fpu", "newer"},
        {"6.18.44", "strange", "fpu", "fpu", "strange"},
        {"6.x", "6.18.44", "fpu", "fpu", "6.x"},
        {"6.18.44", "6.18.44", "avx fpu", "fpu", "with avx, which this one lacks"},
        {"6.18.44", "6.18.44", "avx", "avx2", "with avx,"},
        {"6.18.44", "6.18.44", "a b c", "", "with a, b, c,"},
        {"6.18.44", "6.18.44", "a b c d e", "c", "with a, b, d and 1 more,"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct wr_host saved = host(rows[i].saved_kernel, "x86_64", rows[i].saved_features);
        struct wr_host here = host(rows[i].here_kernel, "x86_64", rows[i].here_features);
        int rc = wr_host_fits(&saved, &here, &err);
        if (!rows[i].why[0]) {
            CHECK_INT(rc, 0);
            continue;
        }
        CHECK_INT(rc, -WR_E_FAILED_PRECONDITION);
        if (!strstr(err.msg, rows[i].why) || !strstr(err.msg, "{\"memory\": false}"))
            wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    }
}

TEST(another_architecture_does_not_fit)
{
    struct wr_host saved = host("6.1.0", "aarch64", "fp"), here = host("6.18.0", "x86_64", "fp");
    CHECK_INT(wr_host_fits(&saved, &here, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "aarch64") && strstr(err.msg, "x86_64"));
}
