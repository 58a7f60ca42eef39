#include "server/egress/guard.h"

#include <errno.h>
#include <ifaddrs.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/str.h"
#include "log/log.h"

#define MAX_OWN       65536 /* addresses of this host; more are not read */
#define MAX_LISTENERS 64
#define MAX_OPEN_TEXT 64
#define WHOLE_ADDRESS 128 /* bits */
#define METADATA      "cloud metadata"
#define LOOPBACK      "loopback"

/* The first that fits names the reason. The ranges for documentation (198.51.100.0/24,
 * 203.0.113.0/24, 2001:db8::/32) are not among them: nothing routes them, and test networks use
 * them. */
static const struct {
    const char *range, *why;
} closed_ranges[] = {
    {"169.254.169.254", METADATA " (169.254.169.254)"},
    {"168.63.129.16", METADATA " (168.63.129.16)"},
    {"100.100.100.200", METADATA " (100.100.100.200)"},
    {"255.255.255.255", "broadcast (255.255.255.255)"},
    {"0.0.0.0/8", "this network (0.0.0.0/8)"},
    {"10.0.0.0/8", "private (10.0.0.0/8)"},
    {"100.64.0.0/10", "shared address space (100.64.0.0/10)"},
    {"127.0.0.0/8", "loopback (127.0.0.0/8)"},
    {"169.254.0.0/16", "link-local (169.254.0.0/16)"},
    {"172.16.0.0/12", "private (172.16.0.0/12)"},
    {"192.0.0.0/24", "protocol assignments (192.0.0.0/24)"},
    {"192.168.0.0/16", "private (192.168.0.0/16)"},
    {"198.18.0.0/15", "network groups (198.18.0.0/15)"},
    {"224.0.0.0/4", "multicast (224.0.0.0/4)"},
    {"240.0.0.0/4", "reserved (240.0.0.0/4)"},
    {"fd00:ec2::254", METADATA " (fd00:ec2::254)"},
    {"::/128", "unspecified (::)"},
    {"::1/128", "loopback (::1)"},
    {"::/96", "IPv4-compatible (::/96)"},
    {"64:ff9b:1::/48", "local NAT64 (64:ff9b:1::/48)"},
    {"100::/64", "discard (100::/64)"},
    {"2001::/32", "Teredo (2001::/32)"},
    {"fc00::/7", "unique local (fc00::/7)"},
    {"fe80::/10", "link-local (fe80::/10)"},
    {"fec0::/10", "site-local (fec0::/10)"},
    {"ff00::/8", "multicast (ff00::/8)"},
};

/* Addresses that carry an IPv4 address, which a translator on the way would use. In
 * 64:ff9b:1::/48 its place depends on the site (RFC 8215), so that range is closed as a whole. */
static const struct {
    const char *range;
    size_t at; /* of the four bytes */
} carrying_ranges[] = {
    {"64:ff9b::/96", 12},
    {"2002::/16", 2},
    {"::ffff:0:0:0/96", 12},
};

static const char listener_text[] = "a listener of Warren";

struct listener {
    struct wr_ip address;
    uint16_t port;
};

struct wr_net_guard {
    struct wr_ip_range closed[WR_ARRAY_SIZE(closed_ranges)];
    struct wr_ip_range carrying[WR_ARRAY_SIZE(carrying_ranges)];
    struct wr_ip_range open[WR_GUARD_MAX_OPEN];
    size_t open_count;
    struct wr_ip *own; /* ascending */
    size_t own_count;
    struct listener listeners[MAX_LISTENERS];
    size_t listener_count;
};

static int read_open(struct wr_net_guard *guard, const char *text, struct wr_error *err)
{
    const char *at = text;

    if (!at || !*at)
        return 0;
    for (;;) {
        size_t len = strcspn(at, ","), blanks = strspn(at, " ");
        const char *start = at + WR_MIN(blanks, len);
        size_t rest = (size_t)(at + len - start);
        char one[MAX_OPEN_TEXT];
        while (rest > 0 && start[rest - 1] == ' ')
            rest--;
        if (guard->open_count == WR_GUARD_MAX_OPEN)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "more than %d ranges", WR_GUARD_MAX_OPEN);
        if (!wr_strformat(one, sizeof one, "%.*s", (int)WR_MIN(rest, sizeof one), start) ||
            !wr_ip_range_parse(one, &guard->open[guard->open_count]))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "\"%.*s\" is not an address or a range such as 10.1.0.0/16",
                           (int)WR_MIN(rest, sizeof one), start);
        guard->open_count++;
        if (!at[len])
            return 0;
        at += len + 1;
    }
}

int wr_guard_new(const char *open, struct wr_net_guard **ret, struct wr_error *err)
{
    struct wr_net_guard *guard = wr_calloc(1, sizeof *guard);
    bool parsed = true;

    if (!guard)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "ranges closed to sandboxes");
    for (size_t i = 0; i < WR_ARRAY_SIZE(closed_ranges); i++)
        parsed = wr_ip_range_parse(closed_ranges[i].range, &guard->closed[i]) && parsed;
    for (size_t i = 0; i < WR_ARRAY_SIZE(carrying_ranges); i++)
        parsed = wr_ip_range_parse(carrying_ranges[i].range, &guard->carrying[i]) && parsed;
    int r = parsed ? read_open(guard, open, err)
                   : wr_fail(err, WR_E_INTERNAL, 0, "ranges closed to sandboxes: not parsed");
    if (r < 0) {
        wr_guard_free(guard);
        return r;
    }
    wr_guard_refresh(guard);
    *ret = guard;
    return 0;
}

struct wr_net_guard *wr_guard_free(struct wr_net_guard *guard)
{
    if (guard)
        free(guard->own);
    free(guard);
    return NULL;
}

void wr_guard_close_listener(struct wr_net_guard *guard, int listen_fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    struct listener listener = {0};

    if (getsockname(listen_fd, (struct sockaddr *)&address, &len) < 0 ||
        !wr_ip_from_sockaddr((const struct sockaddr *)&address, &listener.address, &listener.port))
        return; /* a Unix socket, which no sandbox can name */
    if (guard->listener_count == MAX_LISTENERS) {
        wr_log(WR_LOG_ERROR, "too many listeners: sandboxes can reach the last one", NULL);
        return;
    }
    guard->listeners[guard->listener_count++] = listener;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct wr_ip));
}

void wr_guard_refresh(struct wr_net_guard *guard)
{
    struct ifaddrs *all = NULL;
    size_t count = 0, used = 0;
    uint16_t port = 0;

    if (getifaddrs(&all) < 0)
        return; /* what was read before stays closed */
    for (const struct ifaddrs *at = all; at && count < MAX_OWN; at = at->ifa_next)
        count++;
    struct wr_ip *own = wr_calloc(WR_MAX(count, (size_t)1), sizeof *own);
    for (const struct ifaddrs *at = all; own && at && used < count; at = at->ifa_next)
        if (at->ifa_addr && wr_ip_from_sockaddr(at->ifa_addr, &own[used], &port))
            used++;
    freeifaddrs(all);
    if (!own)
        return;
    qsort(own, used, sizeof *own, compare);
    free(guard->own);
    guard->own = own;
    guard->own_count = used;
}

static const char *closed_range(const struct wr_net_guard *guard, const struct wr_ip *ip)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(guard->closed); i++)
        if (wr_ip_in(ip, &guard->closed[i]))
            return closed_ranges[i].why;
    return NULL;
}

static bool is_open(const struct wr_net_guard *guard, const struct wr_ip *ip)
{
    for (size_t i = 0; i < guard->open_count; i++)
        if (wr_ip_in(ip, &guard->open[i]))
            return true;
    return false;
}

/* For single addresses that mean more than their range: one that was opened for something else does
 * not open them. */
static bool is_open_alone(const struct wr_net_guard *guard, const struct wr_ip *ip)
{
    for (size_t i = 0; i < guard->open_count; i++)
        if (guard->open[i].prefix == WHOLE_ADDRESS && wr_ip_in(ip, &guard->open[i]))
            return true;
    return false;
}

static bool is_own(const struct wr_net_guard *guard, const struct wr_ip *ip)
{
    return guard->own_count > 0 &&
           bsearch(ip, guard->own, guard->own_count, sizeof *guard->own, compare);
}

/* Every address that leads to this host: 127.0.0.0/8 and 0.0.0.0/8 do without being on an
 * interface. */
static bool leads_here(const struct wr_net_guard *guard, const struct wr_ip *ip)
{
    static const unsigned char zeros[15] = {0};
    bool v6_local = memcmp(ip->bytes, zeros, sizeof zeros) == 0 && ip->bytes[15] <= 1;

    return v6_local || (wr_ip_is_v4(ip) && (ip->bytes[12] == 127 || ip->bytes[12] == 0)) ||
           is_own(guard, ip);
}

static bool is_listener(const struct wr_net_guard *guard, const struct wr_ip *ip, uint16_t port)
{
    for (size_t i = 0; i < guard->listener_count; i++) {
        const struct listener *listener = &guard->listeners[i];
        if (listener->port == port &&
            (wr_ip_equal(ip, &listener->address) || leads_here(guard, ip)))
            return true;
    }
    return false;
}

/* What gives out credentials, and the other services of this host; its loopback is a range like
 * others. */
static const char *single(const struct wr_net_guard *guard, const struct wr_ip *ip)
{
    const char *why = closed_range(guard, ip);

    if (is_own(guard, ip) && !(why && wr_starts_with(why, LOOPBACK)))
        why = "address of this host";
    else if (why && !wr_starts_with(why, METADATA))
        why = NULL;
    return why && !is_open_alone(guard, ip) ? why : NULL;
}

static const char *check(const struct wr_net_guard *guard, const struct wr_ip *ip, uint16_t port)
{
    if (port && is_listener(guard, ip, port))
        return listener_text;
    const char *why = single(guard, ip);
    if (why || is_open(guard, ip))
        return why;
    return closed_range(guard, ip);
}

const char *wr_guard_check(const struct wr_net_guard *guard, const struct wr_ip *ip, uint16_t port)
{
    const char *why = check(guard, ip, port);
    bool opened = is_open(guard, ip);

    for (size_t i = 0; !why && i < WR_ARRAY_SIZE(guard->carrying); i++) {
        if (!wr_ip_in(ip, &guard->carrying[i]))
            continue;
        struct wr_ip carried = {.bytes = {[10] = 0xff, [11] = 0xff}};
        memcpy(carried.bytes + 12, ip->bytes + carrying_ranges[i].at, 4);
        if (port && is_listener(guard, &carried, port))
            why = listener_text;
        else
            why = opened ? single(guard, &carried) : check(guard, &carried, port);
    }
    return why;
}
