#include "template/make_progress.h"
#include "test.h"

static void feed(struct wr_make_progress *p, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wr_make_progress_line(lines[i], p);
}

TEST(counts_packages_of_each_round)
{
    static const char *const lines[] = {
        "I: running apt-get update...",
        "Get:1 http://deb.debian.org/debian trixie InRelease [140 kB]",
        "0 upgraded, 59 newly installed, 0 to remove and 0 not upgraded.",
        "Get:7 http://deb.debian.org/debian trixie/main amd64 tar amd64 1.35 [900 kB]",
    };
    static const char *const second[] = {
        "0 upgraded, 275 newly installed, 0 to remove and 0 not upgraded.",
        "Unpacking less (668-1) ...",
        "Unpacking file (1:5.46-5) ...",
        "Setting up less (668-1) ...",
    };
    struct wr_make_progress p;
    wr_make_progress_init(&p, NULL);
    feed(&p, lines, WR_ARRAY_SIZE(lines));
    CHECK_STR(p.bar.phase, "downloading");
    CHECK_INT(p.bar.done, 7);
    CHECK_INT(p.bar.total, 59);
    feed(&p, second, WR_ARRAY_SIZE(second));
    CHECK_INT(p.unpacked, 2);
    CHECK_STR(p.bar.phase, "configuring");
    CHECK_INT(p.bar.done, 1);
    CHECK_INT(p.bar.total, 275);
}

TEST(counts_downloads)
{
    static const char *const lines[] = {"fetching 3/34", "fetching of something else"};
    struct wr_make_progress p;
    wr_make_progress_init(&p, NULL);
    feed(&p, lines, 1);
    CHECK_INT(p.bar.done, 3);
    CHECK_INT(p.bar.total, 34);
    CHECK_STR(p.bar.phase, "downloading from package indexes");
    feed(&p, lines + 1, 1);
    CHECK_INT(p.bar.total, 0);
}

TEST(last_line_is_the_reason_when_no_line_is_an_error)
{
    static const char *const lines[] = {"one", "sh: 1: curl: not found"};
    struct wr_make_progress p;
    wr_make_progress_init(&p, NULL);
    CHECK_STR(wr_make_progress_reason(&p), "");
    feed(&p, lines, 2);
    CHECK_STR(wr_make_progress_reason(&p), "sh: 1: curl: not found");
}

TEST(first_error_is_the_reason)
{
    static const char *const lines[] = {
        "W: a warning",
        "E: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'",
        "E: setup failed: E: apt-get failed",
    };
    struct wr_make_progress p;
    wr_make_progress_init(&p, NULL);
    feed(&p, lines, 1);
    CHECK(!p.network_trouble);
    CHECK_STR(p.reason, "");
    feed(&p, lines + 1, 2);
    CHECK(p.network_trouble);
    CHECK(strstr(p.reason, "Failed to fetch"));
}

TEST(dump_shows_the_last_lines)
{
    struct wr_make_progress p;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    wr_make_progress_init(&p, out);
    for (int i = 0; i < 100; i++) {
        char line[32];
        snprintf(line, sizeof(line), "line %d.", i);
        wr_make_progress_line(line, &p);
    }
    wr_make_progress_dump(&p);
    fclose(out);
    CHECK(strstr(text, "line 99."));
    CHECK(strstr(text, "line 76."));
    CHECK(!strstr(text, "line 75."));
    free(text);
}
