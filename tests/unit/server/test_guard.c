#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>

#include "server/egress/guard.h"
#include "test.h"

static struct wr_net_guard *guard_of(const char *open)
{
    struct wr_net_guard *guard = NULL;
    struct wr_error err = {0};
    if (wr_guard_new(open, &guard, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return guard;
}

static const char *check(const struct wr_net_guard *guard, const char *text, uint16_t port)
{
    struct wr_ip ip;
    if (!wr_ip_parse(text, &ip))
        wr_test_fail(__FILE__, __LINE__, "%s is no address", text);
    return wr_guard_check(guard, &ip, port);
}

static void closed(const struct wr_net_guard *guard, const char *text, const char *why)
{
    const char *said = check(guard, text, 443);
    if (!said || !strstr(said, why))
        wr_test_fail(__FILE__, __LINE__, "%s: \"%s\" is not \"%s\"", text, said ? said : "open",
                     why);
}

static void open_to(const struct wr_net_guard *guard, const char *text)
{
    const char *said = check(guard, text, 443);
    if (said)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", text, said);
}

TEST(ranges_from_both_sides)
{
    static const struct {
        const char *inside, *last, *outside, *why;
    } rows[] = {
        {"0.0.0.0", "0.255.255.255", "1.0.0.0", "this network"},
        {"10.0.0.0", "10.255.255.255", "11.0.0.0", "private (10.0.0.0/8)"},
        {"100.64.0.0", "100.127.255.255", "100.128.0.0", "shared"},
        {"127.0.0.1", "127.255.255.255", "128.0.0.0", "loopback"},
        {"169.254.0.0", "169.254.255.255", "169.255.0.0", "link-local"},
        {"172.16.0.0", "172.31.255.255", "172.32.0.0", "private (172.16.0.0/12)"},
        {"192.0.0.1", "192.0.0.255", "192.0.1.0", "protocol assignments"},
        {"192.168.0.0", "192.168.255.255", "192.169.0.0", "private (192.168.0.0/16)"},
        {"198.18.0.0", "198.19.255.255", "198.20.0.0", "network groups"},
        {"224.0.0.0", "239.255.255.255", "223.255.255.255", "multicast"},
        {"240.0.0.0", "255.255.255.254", "223.0.0.1", "reserved"},
        {"fc00::", "fdff:ffff::1", "fe00::1", "unique local"},
        {"fe80::1", "febf::1", "fe00::1", "link-local"},
        {"fec0::1", "feff::1", "fe7f::1", "site-local"},
        {"ff00::", "ffff::1", "2600::1", "multicast"},
        {"::2", "::ffff:ffff", "1::1", "IPv4-compatible"},
        {"2001::", "2001:0:ffff::1", "2001:1::1", "Teredo"},
        {"64:ff9b:1::", "64:ff9b:1:ffff::1", "64:ff9b:2::1", "local NAT64"},
        {"100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::", "discard"},
    };
    struct wr_net_guard *guard = guard_of(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        closed(guard, rows[i].inside, rows[i].why);
        closed(guard, rows[i].last, rows[i].why);
        open_to(guard, rows[i].outside);
    }
    wr_guard_free(guard);
}

TEST(single_addresses_by_their_names)
{
    struct wr_net_guard *guard = guard_of("");
    closed(guard, "169.254.169.254", "cloud metadata (169.254.169.254)");
    closed(guard, "::ffff:169.254.169.254", "cloud metadata (169.254.169.254)");
    closed(guard, "168.63.129.16", "cloud metadata");
    closed(guard, "100.100.100.200", "cloud metadata");
    closed(guard, "fd00:ec2::254", "cloud metadata (fd00:ec2::254)");
    closed(guard, "255.255.255.255", "broadcast");
    closed(guard, "::", "unspecified");
    closed(guard, "::1", "loopback");
    open_to(guard, "93.184.216.34");
    open_to(guard, "2606:2800:220:1::1");
    /* Documentation: test networks use them. */
    open_to(guard, "198.51.100.1");
    open_to(guard, "203.0.113.1");
    open_to(guard, "2001:db8::1");
    wr_guard_free(guard);
}

TEST(carried_addresses)
{
    struct wr_net_guard *guard = guard_of(NULL);
    closed(guard, "64:ff9b::10.0.0.1", "private (10.0.0.0/8)");
    closed(guard, "64:ff9b::a9fe:a9fe", "cloud metadata");
    closed(guard, "2002:7f00:1::1", "loopback");
    closed(guard, "2002:c0a8:101::", "private (192.168.0.0/16)");
    closed(guard, "::ffff:0:10.0.0.1", "private (10.0.0.0/8)");
    open_to(guard, "64:ff9b::93.184.216.34");
    open_to(guard, "2002:5db8:d822::1");
    wr_guard_free(guard);
}

TEST(opened_ranges)
{
    struct wr_net_guard *guard = guard_of("10.1.0.0/16, fd12::/16,169.254.7.7");
    open_to(guard, "10.1.2.3");
    open_to(guard, "fd12::1");
    open_to(guard, "169.254.7.7");
    open_to(guard, "64:ff9b::10.1.2.3");
    closed(guard, "10.2.0.0", "private");
    closed(guard, "fd13::1", "unique local");
    closed(guard, "169.254.169.254", "metadata");
    wr_guard_free(guard);
    guard = guard_of("64:ff9b::/96");
    open_to(guard, "64:ff9b::10.0.0.1");
    wr_guard_free(guard);
}

TEST(ranges_do_not_open_metadata)
{
    static const char *const addresses[] = {"169.254.169.254", "168.63.129.16", "100.100.100.200",
                                            "fd00:ec2::254", "64:ff9b::169.254.169.254"};
    struct wr_net_guard *guard = guard_of("0.0.0.0/0,::/0");
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        closed(guard, addresses[i], "cloud metadata");
    open_to(guard, "169.254.169.253");
    open_to(guard, "100.100.100.201");
    open_to(guard, "fd00:ec2::253");
    wr_guard_free(guard);
    guard = guard_of("100.100.100.200,fd00:ec2::254/128");
    open_to(guard, "100.100.100.200");
    open_to(guard, "fd00:ec2::254");
    closed(guard, "169.254.169.254", "cloud metadata");
    wr_guard_free(guard);
}

TEST(ranges_do_not_open_the_host_itself)
{
    struct ifaddrs *all = NULL;
    struct wr_net_guard *guard = guard_of("0.0.0.0/0,::/0");
    size_t seen = 0;

    CHECK_INT(getifaddrs(&all), 0);
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        struct wr_ip own;
        uint16_t port = 0;
        char text[WR_IP_TEXT];
        if (!at->ifa_addr || (at->ifa_flags & IFF_LOOPBACK) ||
            !wr_ip_from_sockaddr(at->ifa_addr, &own, &port))
            continue;
        wr_ip_format(&own, text);
        closed(guard, text, "address of this host");
        struct wr_net_guard *named = guard_of(text);
        open_to(named, text);
        wr_guard_free(named);
        seen++;
    }
    freeifaddrs(all);
    open_to(guard, "127.0.0.1"); /* an own one, too, but no other machine answers for that range */
    wr_guard_free(guard);
    if (seen == 0)
        (void)puts("# this machine has no address but loopback");
}

TEST(opening_is_strict)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"x", "\"x\" is not an address or a range"},
        {"10.0.0.0/33", "\"10.0.0.0/33\""},
        {"10.0.0.0/8,", "\"\" is not"},
        {",", "\"\" is not"},
        {"10.0.0.0/8,,1.1.1.1", "\"\" is not"},
        {"example.com", "\"example.com\""},
        {" ", "\"\" is not"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wr_net_guard *guard = NULL;
        struct wr_error err = {0};
        CHECK_INT(wr_guard_new(rows[i].text, &guard, &err), -WR_E_INVALID_ARGUMENT);
        CHECK(!guard);
        if (!strstr(err.msg, rows[i].why))
            wr_test_fail(__FILE__, __LINE__, "%s: %s", rows[i].text, err.msg);
    }
}

TEST(number_of_opened_ranges_from_both_sides)
{
    for (int extra = 0; extra <= 1; extra++) {
        struct wr_net_guard *guard = NULL;
        struct wr_error err = {0};
        char text[WR_GUARD_MAX_OPEN * 16 + 64] = "";
        for (int i = 0; i < WR_GUARD_MAX_OPEN + extra; i++)
            snprintf(text + strlen(text), 32, "%s10.0.%d.%d", i ? "," : "", i / 256, i % 256);
        CHECK_INT(wr_guard_new(text, &guard, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        wr_guard_free(guard);
    }
}

/* On an address that this machine has in any case. */
static int listener(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
          listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

TEST(own_listeners_stay_closed)
{
    struct wr_net_guard *guard = guard_of("0.0.0.0/0,::/0");
    uint16_t port = 0;
    int fd = listener(&port);
    int pair[2];
    CHECK(!check(guard, "127.0.0.1", port));
    wr_guard_close_listener(guard, fd);
    static const char *const ways[] = {
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const char *why = check(guard, ways[i], port);
        if (!why || strcmp(why, "a listener of Warren") != 0)
            wr_test_fail(__FILE__, __LINE__, "%s: %s", ways[i], why ? why : "open");
    }
    /* Another port, another host, and DNS, which asks about no port. */
    CHECK(!check(guard, "127.0.0.1", (uint16_t)(port == 65535 ? 1 : port + 1)));
    CHECK(!check(guard, "198.51.100.1", port));
    CHECK(!check(guard, "127.0.0.1", 0));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    wr_guard_close_listener(guard, pair[0]);
    close(pair[0]);
    close(pair[1]);
    close(fd);
    wr_guard_free(guard);
}
