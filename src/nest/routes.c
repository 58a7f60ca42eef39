#include "nest/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "nest/egress_sockets.h"
#include "nest/netlink.h"

/* lo is the first interface of every network namespace. */
#define LOOPBACK 1

/* The kernel's own rules that go: those for the tables main and default. */
#define PREFERENCE_MAIN    32766u
#define PREFERENCE_DEFAULT 32767u

struct family {
    uint8_t number;
    const void *source; /* the sandbox's address */
    uint8_t address_len;
};

static void add_address(struct wr_netlink *nl, const struct family *f)
{
    const struct ifaddrmsg header = {.ifa_family = f->number,
                                     .ifa_prefixlen = (uint8_t)(8 * f->address_len),
                                     .ifa_scope = RT_SCOPE_UNIVERSE,
                                     .ifa_index = LOOPBACK};

    wr_netlink_begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
    wr_netlink_attr(nl, IFA_LOCAL, f->source, f->address_len);
    wr_netlink_attr(nl, IFA_ADDRESS, f->source, f->address_len);
    /* Nobody else is on lo: it is usable at once. */
    if (f->number == AF_INET6)
        wr_netlink_attr_u32(nl, IFA_FLAGS, IFA_F_NODAD | IFA_F_PERMANENT);
    wr_netlink_end(nl);
}

static void begin_rule(struct wr_netlink *nl, uint16_t type, uint16_t flags, const struct family *f,
                       uint8_t table, uint32_t preference)
{
    const struct fib_rule_hdr header = {
        .family = f->number, .table = table, .action = FR_ACT_TO_TBL};

    wr_netlink_begin(nl, type, flags, &header, sizeof(header));
    wr_netlink_attr_u32(nl, FRA_PRIORITY, preference);
}

/* `port`: of the destination; 0 for any. */
static void add_rule(struct wr_netlink *nl, const struct family *f, uint32_t preference,
                     uint8_t protocol, uint16_t port)
{
    const struct fib_rule_port_range range = {.start = port, .end = port};

    begin_rule(nl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, f, RT_TABLE_MAIN, preference);
    wr_netlink_attr(nl, FRA_IP_PROTO, &protocol, sizeof(protocol));
    if (port)
        wr_netlink_attr(nl, FRA_DPORT_RANGE, &range, sizeof(range));
    wr_netlink_end(nl);
}

static void remove_rule(struct wr_netlink *nl, const struct family *f, uint8_t table,
                        uint32_t preference)
{
    begin_rule(nl, RTM_DELRULE, 0, f, table, preference);
    wr_netlink_end(nl);
}

/* Whatever the destination is, it is here. */
static void add_route(struct wr_netlink *nl, const struct family *f, uint16_t flags)
{
    const struct rtmsg header = {.rtm_family = f->number,
                                 .rtm_table = RT_TABLE_MAIN,
                                 .rtm_protocol = RTPROT_STATIC,
                                 .rtm_scope = RT_SCOPE_HOST,
                                 .rtm_type = RTN_LOCAL};

    wr_netlink_begin(nl, RTM_NEWROUTE, (uint16_t)(flags | NLM_F_CREATE | NLM_F_EXCL), &header,
                     sizeof(header));
    wr_netlink_attr_u32(nl, RTA_OIF, LOOPBACK);
    wr_netlink_attr(nl, RTA_PREFSRC, f->source, f->address_len);
    wr_netlink_end(nl);
}

static int make(const struct family *f, struct wr_error *err)
{
    struct wr_netlink nl;

    wr_netlink_init(&nl);
    add_address(&nl, f);
    add_rule(&nl, f, 10, IPPROTO_TCP, 0);
    add_rule(&nl, f, 11, IPPROTO_UDP, WR_EGRESS_DNS_PORT);
    remove_rule(&nl, f, RT_TABLE_MAIN, PREFERENCE_MAIN);
    if (f->number == AF_INET) /* IPv6 has no such table */
        remove_rule(&nl, f, RT_TABLE_DEFAULT, PREFERENCE_DEFAULT);
    add_route(&nl, f, NLM_F_ACK);
    int rc = wr_netlink_exchange(&nl, NETLINK_ROUTE);
    if (rc < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -rc,
                       "make routes and rules for IPv%d in a network namespace (the kernel needs "
                       "CONFIG_IP_MULTIPLE_TABLES and CONFIG_IPV6_MULTIPLE_TABLES)",
                       f->number == AF_INET6 ? 6 : 4);
    return 0;
}

int wr_routes_make(bool ipv6, struct wr_error *err)
{
    const struct in_addr v4 = {htonl(WR_SANDBOX_IP4)};
    const struct in6_addr v6 = WR_SANDBOX_IP6;
    int rc = make(&(struct family){AF_INET, &v4, sizeof(v4)}, err);

    return rc == 0 && ipv6 ? make(&(struct family){AF_INET6, &v6, sizeof(v6)}, err) : rc;
}
