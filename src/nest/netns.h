/*
 * Network namespaces of sandboxes, made ahead of need and used once. They belong to the nest's user
 * namespace, so that root inside a sandbox can change neither addresses, routes nor rules. Each
 * holds `lo`, the agent's listening socket, and the redirect of what would leave it
 * (docs/internals/network.md).
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "nest/protocol.h"

#define WR_NETNS_POOL_MAX 64

struct wr_netns {
    int ns_fd;          /* the namespace */
    int listen_fd;      /* 127.0.0.1:WR_AGENT_PORT inside it, listening, non-blocking */
    int interpreter_fd; /* the same on the interpreter service's port */
    int context_fd;     /* WR_CONTEXT_SOCKET inside it, listening, non-blocking; the nest's own */
    enum wr_nest_redirect redirect;
};
#define WR_NETNS_NONE ((struct wr_netns){-1, -1, -1, -1, WR_NEST_REDIRECT_NONE})

struct wr_netns_pool {
    struct wr_netns spare[WR_NETNS_POOL_MAX];
    size_t count;
    size_t wanted;               /* how many to keep ready */
    size_t target;               /* the same, or fewer since making one failed */
    int home_fd;                 /* the nest's own namespace */
    struct wr_error no_redirect; /* why the last one that has none, or for IPv4 only, has no more */
};

/* Opens the home namespace and brings its lo up. */
int wr_netns_pool_init(struct wr_netns_pool *pool, struct wr_error *err) WR_MUST_CHECK;
/* From the pool, or made now. All descriptors become the caller's. */
int wr_netns_take(struct wr_netns_pool *pool, struct wr_netns *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Makes one more if the pool is short of its target; true while it still is. */
bool wr_netns_refill(struct wr_netns_pool *pool);
/* Closes what is open and marks it closed. */
void wr_netns_close(struct wr_netns *netns);
/* Moves the calling process. */
int wr_netns_enter(int ns_fd, struct wr_error *err) WR_MUST_CHECK;
/* Moves the calling process into a new one, whose lo is up. */
int wr_netns_enter_new(struct wr_error *err) WR_MUST_CHECK;
/* For the namespace that the caller is in, over which it needs CAP_NET_ADMIN, and whose lo is up:
 * addresses, routes and rules of the redirect. After a failure the namespace is half
 * made. FAILED_PRECONDITION where the kernel cannot do it. */
int wr_netns_redirect(bool ipv6, struct wr_error *err) WR_MUST_CHECK;
/* Whether sockets of IPv6 can be made here. */
bool wr_netns_has_ipv6(void);
