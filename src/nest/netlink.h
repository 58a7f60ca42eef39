/*
 * Netlink messages without a library: a builder that checks its bounds, and one exchange with the
 * kernel. Several messages can be built into one buffer; the kernel handles them in their order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define WR_NETLINK_MAX 8192 /* bytes of one buffer */

struct wr_netlink {
    size_t len;
    size_t message; /* where the message that is being built begins */
    uint32_t sequence;
    bool overflow; /* something did not fit; the buffer will not be sent */
    _Alignas(8) unsigned char data[WR_NETLINK_MAX];
};

/* Empties the buffer. */
void wr_netlink_init(struct wr_netlink *nl);
/* Begins a message; its header of the protocol (struct rtmsg, ...) is copied. `flags`: NLM_F_*
 * besides NLM_F_REQUEST. */
void wr_netlink_begin(struct wr_netlink *nl, uint16_t type, uint16_t flags, const void *header,
                      size_t len);
/* Ends the message that was begun. */
void wr_netlink_end(struct wr_netlink *nl);

void wr_netlink_attr(struct wr_netlink *nl, uint16_t type, const void *data, size_t len);
void wr_netlink_attr_str(struct wr_netlink *nl, uint16_t type, const char *text);
void wr_netlink_attr_u32(struct wr_netlink *nl, uint16_t type, uint32_t value);
/* Big-endian, as nfnetlink wants numbers. */
void wr_netlink_attr_be32(struct wr_netlink *nl, uint16_t type, uint32_t value);
/* An attribute that holds attributes; what it returns is for wr_netlink_nest_end(). */
size_t wr_netlink_nest(struct wr_netlink *nl, uint16_t type) WR_MUST_CHECK;
void wr_netlink_nest_end(struct wr_netlink *nl, size_t nest);

/*
 * Sends everything to the kernel in the calling process's network namespace and waits for what it
 * says. Exactly one message, the last that can fail, has to ask for an answer (NLM_F_ACK): the
 * kernel reports errors unasked and in order, so its first word is the first error or that answer.
 * 0, the kernel's negative errno, -EMSGSIZE after an overflow, or -EPROTO.
 */
int wr_netlink_exchange(const struct wr_netlink *nl, int protocol) WR_MUST_CHECK;
