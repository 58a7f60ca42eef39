#include "base/str.h"
#include "cli/listen.h"
#include "test.h"

static struct wr_error err;

/* Parsed and written again. */
static const char *round_trip(const char *text)
{
    static char out[WR_LISTEN_TEXT_MAX];
    struct wr_listen_addr addr = {0};

    CHECK_INT(wr_listen_parse("api-listen", text, &addr, &err), 0);
    wr_listen_format(&addr, out);
    return out;
}

TEST(addresses)
{
    CHECK_STR(round_trip("127.0.0.1:3000"), "127.0.0.1:3000");
    CHECK_STR(round_trip("0.0.0.0:65535"), "0.0.0.0:65535");
    CHECK_STR(round_trip("localhost:0"), "127.0.0.1:0");
    CHECK_STR(round_trip("[::1]:3000"), "[::1]:3000");
    CHECK_STR(round_trip("[0:0::0]:1"), "[::]:1");
    CHECK_STR(round_trip("off"), "off");
    CHECK_STR(round_trip(NULL), "off");
}

TEST(wrong_addresses)
{
    static const char *const wrong[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        ":3000",
        "3000",
        "host:3000",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "::1:3000",
        "[::1]",
        "[::1:3000",
        "[]:3000",
        "127.0.0.1:3000 ",
        "127.1:3000",
        "[127.0.0.1]:3000",
        "[:3000",
        "[::1]x:3000",
        "256.0.0.1:3000",
        "OFF",
        "[::1%lo]:3000",
        "127.0.0.1:3000:3001",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:3000",
    };
    struct wr_listen_addr addr = {0};

    for (size_t i = 0; i < WR_ARRAY_SIZE(wrong); i++) {
        if (wr_listen_parse("api-listen", wrong[i], &addr, &err) != -WR_E_INVALID_ARGUMENT)
            wr_test_fail(__FILE__, __LINE__, "\"%s\" is accepted", wrong[i]);
        CHECK(wr_starts_with(err.msg, "api-listen: \""));
    }
    CHECK_INT(addr.len, 0);
}

TEST(loopback)
{
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {{"127.0.0.1:1", true},  {"127.9.9.9:1", true}, {"[::1]:1", true},
                 {"0.0.0.0:1", false},   {"[::]:1", false},     {"10.0.0.1:1", false},
                 {"128.0.0.1:1", false}, {"[::2]:1", false}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        struct wr_listen_addr addr = {0};
        CHECK_INT(wr_listen_parse("x", cases[i].text, &addr, &err), 0);
        CHECK_INT(wr_listen_is_loopback(&addr), cases[i].loopback);
    }
}

TEST(open_and_taken)
{
    struct wr_listen_addr addr = {0};
    int fd = -1, second = -1;

    CHECK_INT(wr_listen_parse("x", "127.0.0.1:0", &addr, &err), 0);
    CHECK_INT(wr_listen_open("api-listen", &addr, &fd, &err), 0);
    CHECK(wr_listen_port(&addr) > 0);
    struct wr_listen_addr same = addr;
    CHECK_INT(wr_listen_open("api-listen", &same, &second, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(second, -1);
    CHECK(strstr(err.msg, "api-listen: another program listens on 127.0.0.1:"));
    /* Clients reach it. */
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(client, &addr.sa.any, addr.len), 0);
    close(client);
    close(fd);
    /* And after a restart with a connection in TIME_WAIT it can be opened again. */
    CHECK_INT(wr_listen_open("api-listen", &same, &second, &err), 0);
    close(second);
}
