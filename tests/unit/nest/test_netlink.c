#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "nest/netlink.h"
#include "test.h"

static struct wr_netlink nl;

static struct nlmsghdr header_at(size_t offset)
{
    struct nlmsghdr h;
    memcpy(&h, nl.data + offset, sizeof(h));
    return h;
}

static struct nlattr attr_at(size_t offset)
{
    struct nlattr a;
    memcpy(&a, nl.data + offset, sizeof(a));
    return a;
}

TEST(messages_follow_each_other_aligned)
{
    const char header[6] = "abcdef";
    wr_netlink_init(&nl);
    wr_netlink_begin(&nl, 77, NLM_F_ACK, header, sizeof(header));
    wr_netlink_attr(&nl, 5, "xyz", 3);
    wr_netlink_end(&nl);
    CHECK_INT(nl.len, 16 + 8 + 8);
    CHECK_INT(header_at(0).nlmsg_len, nl.len);
    CHECK_INT(header_at(0).nlmsg_type, 77);
    CHECK_INT(header_at(0).nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
    CHECK(memcmp(nl.data + 16, "abcdef\0\0", 8) == 0);
    CHECK_INT(attr_at(24).nla_len, 4 + 3); /* without its padding */
    CHECK_INT(attr_at(24).nla_type, 5);
    CHECK(memcmp(nl.data + 28, "xyz", 4) == 0);
    wr_netlink_begin(&nl, 78, 0, header, 4);
    wr_netlink_end(&nl);
    CHECK_INT(header_at(32).nlmsg_len, 20);
    CHECK(header_at(32).nlmsg_seq != header_at(0).nlmsg_seq);
    CHECK(!nl.overflow);
}

TEST(nests_have_their_length)
{
    wr_netlink_init(&nl);
    wr_netlink_begin(&nl, 1, 0, "", 0);
    const size_t outer = wr_netlink_nest(&nl, 3);
    const size_t inner = wr_netlink_nest(&nl, 4);
    wr_netlink_attr_be32(&nl, 9, 0x01020304);
    wr_netlink_nest_end(&nl, inner);
    wr_netlink_attr_str(&nl, 2, "n");
    wr_netlink_nest_end(&nl, outer);
    wr_netlink_end(&nl);
    CHECK_INT(attr_at(outer).nla_len, 4 + 12 + 8);
    CHECK_INT(attr_at(outer).nla_type, 3 | NLA_F_NESTED);
    CHECK_INT(attr_at(inner).nla_len, 4 + 8);
    CHECK(memcmp(nl.data + inner + 8, "\1\2\3\4", 4) == 0);
    CHECK_INT(header_at(0).nlmsg_len, nl.len);
}

/* Whatever does not fit is not written, not even in part, and nothing is sent. */
TEST(the_end_of_the_buffer)
{
    static const char big[WR_NETLINK_MAX + 64] = {1};
    struct {
        struct wr_netlink nl;
        unsigned char behind[64];
    } guarded;

    for (size_t len = WR_NETLINK_MAX - 40; len < WR_NETLINK_MAX + 60; len++) {
        const size_t needed = sizeof(struct nlmsghdr) + ((sizeof(struct nlattr) + len + 3) & ~3U);
        memset(guarded.behind, 0xee, sizeof(guarded.behind));
        wr_netlink_init(&guarded.nl);
        wr_netlink_begin(&guarded.nl, 1, 0, "", 0);
        wr_netlink_attr(&guarded.nl, 1, big, len);
        wr_netlink_end(&guarded.nl);
        CHECK_INT(guarded.nl.overflow, needed > WR_NETLINK_MAX);
        CHECK(guarded.nl.len <= WR_NETLINK_MAX);
        for (size_t i = 0; i < sizeof(guarded.behind); i++)
            CHECK_INT(guarded.behind[i], 0xee);
        if (guarded.nl.overflow)
            CHECK_INT(wr_netlink_exchange(&guarded.nl, NETLINK_ROUTE), -EMSGSIZE);
    }
    /* Small ones until it is full; it stays so. */
    wr_netlink_init(&nl);
    wr_netlink_begin(&nl, 1, 0, "", 0);
    for (size_t i = 0; i < WR_NETLINK_MAX; i++)
        wr_netlink_nest_end(&nl, wr_netlink_nest(&nl, 1));
    CHECK(nl.overflow && nl.len == WR_NETLINK_MAX);
    wr_netlink_begin(&nl, 1, 0, big, sizeof(big));
    wr_netlink_end(&nl);
    CHECK(nl.overflow && nl.len == WR_NETLINK_MAX);
}

static void delete_rule(uint16_t flags, uint32_t preference)
{
    const struct rtmsg header = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST};
    wr_netlink_begin(&nl, RTM_DELRULE, flags, &header, sizeof(header));
    wr_netlink_attr_u32(&nl, 6 /* FRA_PRIORITY */, preference);
    wr_netlink_end(&nl);
}

/* The first error is told, though later messages succeed. */
TEST(the_kernel_s_word)
{
    NEEDS_ROOT();
    CHECK(unshare(CLONE_NEWNET) == 0);
    wr_netlink_init(&nl);
    delete_rule(0, 4242); /* there is none */
    delete_rule(NLM_F_ACK, 32766);
    CHECK_INT(wr_netlink_exchange(&nl, NETLINK_ROUTE), -ENOENT);
    wr_netlink_init(&nl);
    delete_rule(NLM_F_ACK, 32767);
    CHECK_INT(wr_netlink_exchange(&nl, NETLINK_ROUTE), 0);
    /* Without a demand there is no answer. */
    wr_netlink_init(&nl);
    wr_netlink_begin(&nl, NLMSG_NOOP, 0, "", 0);
    wr_netlink_end(&nl);
    CHECK_INT(wr_netlink_exchange(&nl, NETLINK_ROUTE), -EPROTO);
    CHECK_INT(wr_netlink_exchange(&nl, 31), -EPROTONOSUPPORT);
}
