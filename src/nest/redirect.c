#include "nest/redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "nest/egress_sockets.h"
#include "nest/netlink.h"

#define TABLE "warren"
#define CHAIN "egress"

/* Where a header has its destination. */
#define IP4_DESTINATION  16u
#define IP6_DESTINATION  24u
#define PORT_DESTINATION 2u

struct family {
    uint8_t number; /* NFPROTO_* */
    uint32_t destination;
    const void *own, *target; /* addresses: of the sandbox, of the egress's sockets */
    uint32_t address_len;
};

static void begin(struct wr_netlink *nl, uint16_t message, uint16_t flags)
{
    const struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};

    wr_netlink_begin(nl, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), flags, &header,
                     sizeof(header));
}

static void batch_border(struct wr_netlink *nl, uint16_t type)
{
    const struct nfgenmsg header = {
        .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};

    wr_netlink_begin(nl, type, 0, &header, sizeof(header));
    wr_netlink_end(nl);
}

static void add_table(struct wr_netlink *nl)
{
    begin(nl, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    wr_netlink_attr_str(nl, NFTA_TABLE_NAME, TABLE);
    wr_netlink_end(nl);
}

static void add_chain(struct wr_netlink *nl)
{
    begin(nl, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
    wr_netlink_attr_str(nl, NFTA_CHAIN_TABLE, TABLE);
    wr_netlink_attr_str(nl, NFTA_CHAIN_NAME, CHAIN);
    const size_t hook = wr_netlink_nest(nl, NFTA_CHAIN_HOOK);
    wr_netlink_attr_be32(nl, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
    wr_netlink_attr_be32(nl, NFTA_HOOK_PRIORITY, (uint32_t)NF_IP_PRI_MANGLE);
    wr_netlink_nest_end(nl, hook);
    wr_netlink_attr_be32(nl, NFTA_CHAIN_POLICY, NF_ACCEPT);
    wr_netlink_attr_str(nl, NFTA_CHAIN_TYPE, "filter");
    wr_netlink_end(nl);
}

struct rule {
    size_t list, element, data;
};

static struct rule begin_rule(struct wr_netlink *nl, uint16_t flags)
{
    begin(nl, NFT_MSG_NEWRULE, (uint16_t)(flags | NLM_F_CREATE | NLM_F_APPEND));
    wr_netlink_attr_str(nl, NFTA_RULE_TABLE, TABLE);
    wr_netlink_attr_str(nl, NFTA_RULE_CHAIN, CHAIN);
    return (struct rule){.list = wr_netlink_nest(nl, NFTA_RULE_EXPRESSIONS)};
}

static void end_rule(struct wr_netlink *nl, const struct rule *rule)
{
    wr_netlink_nest_end(nl, rule->list);
    wr_netlink_end(nl);
}

static void begin_expression(struct wr_netlink *nl, struct rule *rule, const char *name)
{
    rule->element = wr_netlink_nest(nl, NFTA_LIST_ELEM);
    wr_netlink_attr_str(nl, NFTA_EXPR_NAME, name);
    rule->data = wr_netlink_nest(nl, NFTA_EXPR_DATA);
}

static void end_expression(struct wr_netlink *nl, const struct rule *rule)
{
    wr_netlink_nest_end(nl, rule->data);
    wr_netlink_nest_end(nl, rule->element);
}

static void add_value(struct wr_netlink *nl, uint16_t type, const void *value, size_t len)
{
    const size_t nest = wr_netlink_nest(nl, type);

    wr_netlink_attr(nl, NFTA_DATA_VALUE, value, len);
    wr_netlink_nest_end(nl, nest);
}

/* Goes on only if register 1 holds `value`. */
static void compare(struct wr_netlink *nl, struct rule *rule, const void *value, size_t len)
{
    begin_expression(nl, rule, "cmp");
    wr_netlink_attr_be32(nl, NFTA_CMP_SREG, NFT_REG_1);
    wr_netlink_attr_be32(nl, NFTA_CMP_OP, NFT_CMP_EQ);
    add_value(nl, NFTA_CMP_DATA, value, len);
    end_expression(nl, rule);
}

static void match_meta(struct wr_netlink *nl, struct rule *rule, enum nft_meta_keys key,
                       uint8_t value)
{
    begin_expression(nl, rule, "meta");
    wr_netlink_attr_be32(nl, NFTA_META_DREG, NFT_REG_1);
    wr_netlink_attr_be32(nl, NFTA_META_KEY, key);
    end_expression(nl, rule);
    compare(nl, rule, &value, sizeof(value));
}

static void match_bytes(struct wr_netlink *nl, struct rule *rule, enum nft_payload_bases base,
                        uint32_t offset, const void *value, size_t len)
{
    begin_expression(nl, rule, "payload");
    wr_netlink_attr_be32(nl, NFTA_PAYLOAD_DREG, NFT_REG_1);
    wr_netlink_attr_be32(nl, NFTA_PAYLOAD_BASE, base);
    wr_netlink_attr_be32(nl, NFTA_PAYLOAD_OFFSET, offset);
    wr_netlink_attr_be32(nl, NFTA_PAYLOAD_LEN, (uint32_t)len);
    end_expression(nl, rule);
    compare(nl, rule, value, len);
}

static void give_verdict(struct wr_netlink *nl, struct rule *rule, uint32_t verdict_code)
{
    begin_expression(nl, rule, "immediate");
    wr_netlink_attr_be32(nl, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const size_t data = wr_netlink_nest(nl, NFTA_IMMEDIATE_DATA);
    const size_t verdict = wr_netlink_nest(nl, NFTA_DATA_VERDICT);
    wr_netlink_attr_be32(nl, NFTA_VERDICT_CODE, verdict_code);
    wr_netlink_nest_end(nl, verdict);
    wr_netlink_nest_end(nl, data);
    end_expression(nl, rule);
}

static void load(struct wr_netlink *nl, struct rule *rule, enum nft_registers where,
                 const void *value, size_t len)
{
    begin_expression(nl, rule, "immediate");
    wr_netlink_attr_be32(nl, NFTA_IMMEDIATE_DREG, where);
    add_value(nl, NFTA_IMMEDIATE_DATA, value, len);
    end_expression(nl, rule);
}

/* Destinations that start with these bytes are the sandbox's own. */
static void add_own(struct wr_netlink *nl, const struct family *f, const void *prefix, size_t len)
{
    struct rule rule = begin_rule(nl, 0);

    match_meta(nl, &rule, NFT_META_NFPROTO, f->number);
    match_bytes(nl, &rule, NFT_PAYLOAD_NETWORK_HEADER, f->destination, prefix, len);
    give_verdict(nl, &rule, NF_ACCEPT);
    end_rule(nl, &rule);
}

static struct rule begin_leaving(struct wr_netlink *nl, const struct family *f, uint8_t protocol,
                                 uint16_t only, uint16_t flags)
{
    const uint16_t only_be = htons(only);
    struct rule rule = begin_rule(nl, flags);

    match_meta(nl, &rule, NFT_META_NFPROTO, f->number);
    match_meta(nl, &rule, NFT_META_L4PROTO, protocol);
    if (only)
        match_bytes(nl, &rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, &only_be,
                    sizeof(only_be));
    return rule;
}

/* To the socket at `port` of the target; `only`: the destination's port, or 0 for any. While nobody
 * has that socket the packet is dropped, or a server inside that listens on all addresses got it.
 */
static void add_redirect(struct wr_netlink *nl, const struct family *f, uint8_t protocol,
                         uint16_t only, uint16_t port, uint16_t flags)
{
    const uint16_t port_be = htons(port);
    struct rule rule = begin_leaving(nl, f, protocol, only, 0);

    load(nl, &rule, NFT_REG_1, f->target, f->address_len);
    load(nl, &rule, NFT_REG_2, &port_be, sizeof(port_be));
    begin_expression(nl, &rule, "tproxy");
    wr_netlink_attr_be32(nl, NFTA_TPROXY_FAMILY, f->number);
    wr_netlink_attr_be32(nl, NFTA_TPROXY_REG_ADDR, NFT_REG_1);
    wr_netlink_attr_be32(nl, NFTA_TPROXY_REG_PORT, NFT_REG_2);
    end_expression(nl, &rule);
    give_verdict(nl, &rule, NF_ACCEPT);
    end_rule(nl, &rule);
    rule = begin_leaving(nl, f, protocol, only, flags);
    give_verdict(nl, &rule, NF_DROP);
    end_rule(nl, &rule);
}

static void add_family(struct wr_netlink *nl, const struct family *f, const void *loopback,
                       size_t loopback_len, bool last)
{
    add_own(nl, f, loopback, loopback_len);
    add_own(nl, f, f->own, f->address_len);
    add_redirect(nl, f, IPPROTO_TCP, 0, WR_EGRESS_TCP_PORT, 0);
    add_redirect(nl, f, IPPROTO_UDP, WR_EGRESS_DNS_PORT, WR_EGRESS_DNS_PORT, last ? NLM_F_ACK : 0);
}

int wr_redirect_make(bool ipv6, struct wr_error *err)
{
    const uint8_t loopback4 = 127; /* the whole 127.0.0.0/8 */
    const struct in6_addr loopback6 = IN6ADDR_LOOPBACK_INIT;
    const struct in_addr own4 = {htonl(WR_SANDBOX_IP4)}, target4 = {htonl(WR_EGRESS_IP4)};
    const struct in6_addr own6 = WR_SANDBOX_IP6, target6 = WR_EGRESS_IP6;
    const struct family v4 = {NFPROTO_IPV4, IP4_DESTINATION, &own4, &target4, sizeof(own4)};
    const struct family v6 = {NFPROTO_IPV6, IP6_DESTINATION, &own6, &target6, sizeof(own6)};
    struct wr_netlink nl;

    wr_netlink_init(&nl);
    batch_border(&nl, NFNL_MSG_BATCH_BEGIN);
    add_table(&nl);
    add_chain(&nl);
    add_family(&nl, &v4, &loopback4, sizeof(loopback4), !ipv6);
    if (ipv6)
        add_family(&nl, &v6, &loopback6, sizeof(loopback6), true);
    batch_border(&nl, NFNL_MSG_BATCH_END);
    int rc = wr_netlink_exchange(&nl, NETLINK_NETFILTER);
    if (rc < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -rc,
                       "redirect what leaves a sandbox (the kernel needs nftables with tproxy: "
                       "`modprobe nft_tproxy`, or CONFIG_NFT_TPROXY)");
    return 0;
}
