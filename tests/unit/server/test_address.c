#include <arpa/inet.h>

#include "server/egress/address.h"
#include "test.h"

static struct wr_ip ip(const char *text)
{
    struct wr_ip out;
    if (!wr_ip_parse(text, &out))
        wr_test_fail(__FILE__, __LINE__, "%s is not taken", text);
    return out;
}

static struct wr_ip_range range(const char *text)
{
    struct wr_ip_range out;
    if (!wr_ip_range_parse(text, &out))
        wr_test_fail(__FILE__, __LINE__, "%s is not taken", text);
    return out;
}

static void prints(const char *text, const char *expected)
{
    struct wr_ip parsed = ip(text);
    char out[WR_IP_TEXT];
    wr_ip_format(&parsed, out);
    CHECK_STR(out, expected);
}

TEST(one_spelling)
{
    prints("1.2.3.4", "1.2.3.4");
    prints("::ffff:1.2.3.4", "1.2.3.4");
    prints("::ffff:102:304", "1.2.3.4");
    prints("2001:DB8:0::1", "2001:db8::1");
    prints("::1.2.3.4", "::1.2.3.4");
    prints("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    struct wr_ip a = ip("1.2.3.4"), b = ip("::ffff:1.2.3.4"), c = ip("::1.2.3.4");
    CHECK(wr_ip_equal(&a, &b) && wr_ip_is_v4(&b));
    CHECK(!wr_ip_equal(&a, &c) && !wr_ip_is_v4(&c));
}

TEST(only_strict_texts)
{
    static const char *const bad[] = {
        "",          "1",         "1.2.3",        "1.2.3.4.5", "256.1.1.1",
        "01.2.3.4",  "0x1.2.3.4", "1.2.3.4 ",     " 1.2.3.4",  "2130706433",
        "::1%lo",    "[::1]",     "fe80::1%eth0", "1:2",       "::1:80:",
        "1.2.3.4:80"};
    struct wr_ip out;
    struct wr_ip_range ranged;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (wr_ip_parse(bad[i], &out) || wr_ip_range_parse(bad[i], &ranged))
            wr_test_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
}

static void range_prints(const char *text, const char *expected)
{
    struct wr_ip_range parsed = range(text);
    char out[WR_IP_RANGE_TEXT];
    wr_ip_range_format(&parsed, out);
    CHECK_STR(out, expected);
}

TEST(ranges)
{
    range_prints("1.2.3.4", "1.2.3.4/32");
    range_prints("1.2.3.4/32", "1.2.3.4/32");
    range_prints("1.2.3.255/25", "1.2.3.128/25");
    range_prints("255.255.255.255/0", "0.0.0.0/0");
    range_prints("::ffff:1.2.3.4/120", "1.2.3.0/24");
    range_prints("2001:db8:ffff::1/33", "2001:db8:8000::/33");
    range_prints("2001:db8::1", "2001:db8::1/128");
    range_prints("ffff::/0", "::/0");
    static const char *const bad[] = {"1.2.3.4/33", "1.2.3.4/",   "1.2.3.4/-1",
                                      "1.2.3.4/08", "::/129",     "1.2.3.4/1/2",
                                      "/8",         "1.2.3.4/ 8", "1.2.3/24"};
    struct wr_ip_range out;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (wr_ip_range_parse(bad[i], &out))
            wr_test_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
}

static bool in(const char *address, const char *text)
{
    struct wr_ip one = ip(address);
    struct wr_ip_range many = range(text);
    return wr_ip_in(&one, &many);
}

TEST(membership_at_the_edges)
{
    CHECK(in("10.0.0.0", "10.0.0.0/8") && in("10.255.255.255", "10.0.0.0/8"));
    CHECK(!in("9.255.255.255", "10.0.0.0/8") && !in("11.0.0.0", "10.0.0.0/8"));
    CHECK(in("172.31.255.255", "172.16.0.0/12") && !in("172.32.0.0", "172.16.0.0/12"));
    CHECK(in("100.64.0.1", "100.64.0.0/10") && !in("100.128.0.0", "100.64.0.0/10"));
    CHECK(in("1.2.3.4", "1.2.3.4") && !in("1.2.3.5", "1.2.3.4"));
    CHECK(in("fdff::1", "fc00::/7") && !in("fe00::1", "fc00::/7"));
    CHECK(in("febf::1", "fe80::/10") && !in("fec0::1", "fe80::/10"));
}

TEST(families_are_apart)
{
    CHECK(in("1.2.3.4", "0.0.0.0/0") && !in("2001:db8::1", "0.0.0.0/0"));
    CHECK(in("2001:db8::1", "::/0") && !in("1.2.3.4", "::/0"));
    CHECK(!in("1.2.3.4", "::/64") && in("::1.2.3.4", "::/96"));
    CHECK(in("1.2.3.4", "::ffff:0:0/96"));
}

TEST(socket_addresses)
{
    static const struct {
        const char *text;
        sa_family_t family;
        socklen_t len;
    } rows[] = {
        {"198.51.100.7", AF_INET, sizeof(struct sockaddr_in)},
        {"2001:db8::7", AF_INET6, sizeof(struct sockaddr_in6)},
    };
    for (size_t i = 0; i < 2; i++) {
        struct wr_ip one = ip(rows[i].text), back;
        struct sockaddr_storage address;
        uint16_t port = 0;
        CHECK_INT(wr_ip_to_sockaddr(&one, 443, &address), rows[i].len);
        CHECK_INT(address.ss_family, rows[i].family);
        CHECK(wr_ip_from_sockaddr((struct sockaddr *)&address, &back, &port));
        CHECK(wr_ip_equal(&one, &back));
        CHECK_INT(port, 443);
    }
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct wr_ip expected = ip("1.2.3.4"), seen;
    uint16_t port = 0;
    inet_pton(AF_INET6, "::ffff:1.2.3.4", &mapped.sin6_addr);
    CHECK(wr_ip_from_sockaddr((struct sockaddr *)&mapped, &seen, &port));
    CHECK(wr_ip_equal(&seen, &expected));
    CHECK(!wr_ip_from_sockaddr(&local, &seen, &port));
}
