#include "nest/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define ANSWER_MAX 256

#define ALIGNED(len) NLMSG_ALIGN((len))
_Static_assert(NLMSG_ALIGNTO == 4 && NLA_ALIGNTO == 4, "messages and attributes align alike");

/* Room for `len` bytes and the padding behind them, zeroed; NULL when it does not fit. */
static unsigned char *reserve(struct wr_netlink *nl, size_t len)
{
    if (nl->overflow || len > sizeof(nl->data) || ALIGNED(len) > sizeof(nl->data) - nl->len) {
        nl->overflow = true;
        return NULL;
    }
    unsigned char *place = nl->data + nl->len;
    memset(place, 0, ALIGNED(len));
    nl->len += ALIGNED(len);
    return place;
}

void wr_netlink_init(struct wr_netlink *nl)
{
    nl->len = nl->message = 0;
    nl->sequence = 0;
    nl->overflow = false;
}

void wr_netlink_begin(struct wr_netlink *nl, uint16_t type, uint16_t flags, const void *header,
                      size_t len)
{
    const struct nlmsghdr h = {.nlmsg_type = type,
                               .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST),
                               .nlmsg_seq = ++nl->sequence};

    nl->message = nl->len;
    unsigned char *place = reserve(nl, sizeof(h));
    if (place)
        memcpy(place, &h, sizeof(h));
    place = reserve(nl, len);
    if (place)
        memcpy(place, header, len);
}

void wr_netlink_end(struct wr_netlink *nl)
{
    const uint32_t len = (uint32_t)(nl->len - nl->message);

    if (!nl->overflow)
        memcpy(nl->data + nl->message + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

void wr_netlink_attr(struct wr_netlink *nl, uint16_t type, const void *data, size_t len)
{
    /* More than any buffer holds, but less than what would turn its 16 bits over. */
    if (len > sizeof(nl->data)) {
        nl->overflow = true;
        return;
    }
    const struct nlattr attr = {.nla_len = (uint16_t)(sizeof(attr) + len), .nla_type = type};
    unsigned char *place = reserve(nl, sizeof(attr) + len);
    if (!place)
        return;
    memcpy(place, &attr, sizeof(attr));
    if (len > 0)
        memcpy(place + sizeof(attr), data, len);
}

void wr_netlink_attr_str(struct wr_netlink *nl, uint16_t type, const char *text)
{
    wr_netlink_attr(nl, type, text, strlen(text) + 1);
}

void wr_netlink_attr_u32(struct wr_netlink *nl, uint16_t type, uint32_t value)
{
    wr_netlink_attr(nl, type, &value, sizeof(value));
}

void wr_netlink_attr_be32(struct wr_netlink *nl, uint16_t type, uint32_t value)
{
    wr_netlink_attr_u32(nl, type, htonl(value));
}

size_t wr_netlink_nest(struct wr_netlink *nl, uint16_t type)
{
    const size_t nest = nl->len;

    wr_netlink_attr(nl, (uint16_t)(type | NLA_F_NESTED), NULL, 0);
    return nest;
}

void wr_netlink_nest_end(struct wr_netlink *nl, size_t nest)
{
    const uint16_t len = (uint16_t)(nl->len - nest);

    if (!nl->overflow)
        memcpy(nl->data + nest + offsetof(struct nlattr, nla_len), &len, sizeof(len));
}

/* The kernel has answered before sendmsg() returns, so there is nothing to wait for. */
static int first_word(int sock)
{
    _Alignas(8) unsigned char answer[ANSWER_MAX]; /* what follows the number is cut off */
    struct nlmsghdr header;
    struct nlmsgerr word;
    ssize_t len = recv(sock, answer, sizeof(answer), MSG_DONTWAIT);

    if (len < 0)
        return errno == EAGAIN ? -EPROTO : -errno;
    if ((size_t)len < NLMSG_HDRLEN + sizeof(word.error))
        return -EPROTO;
    memcpy(&header, answer, sizeof(header));
    memcpy(&word.error, answer + NLMSG_HDRLEN, sizeof(word.error));
    if (header.nlmsg_type != NLMSG_ERROR || word.error > 0)
        return -EPROTO;
    return word.error;
}

int wr_netlink_exchange(const struct wr_netlink *nl, int protocol)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    if (nl->overflow)
        return -EMSGSIZE;
    wr_auto_close int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (sock < 0)
        return -errno;
    if (sendto(sock, nl->data, nl->len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) !=
        (ssize_t)nl->len)
        return -errno;
    return first_word(sock);
}
