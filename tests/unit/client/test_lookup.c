#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/lookup.h"
#include "loop/loop.h"
#include "test.h"

#define MANY (WR_LOOKUP_THREADS + 8)

static unsigned answers, failures;

/* In the place of the C library's: waits for the gate, if there is one. */
static int gate[2] = {-1, -1};
static pid_t gated;
static atomic_uint at_gate;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    typedef int lookup_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    lookup_fn *real = NULL;
    char byte;

    memcpy(&real, &symbol, sizeof real); /* ISO C has no cast for it */
    if (gated == getpid()) {
        atomic_fetch_add(&at_gate, 1);
        CHECK(read(gate[0], &byte, 1) == 0);
    }
    return real(name, service, hints, ret);
}

static void on_answer(struct wr_lookup *lookup, const struct wr_lookup_address *addresses,
                      size_t count, const struct wr_error *error)
{
    (void)lookup;
    answers++;
    failures += error != NULL;
    CHECK((count > 0) == !error);
    for (size_t i = 0; i < count; i++) {
        CHECK(addresses[i].any.sa_family == AF_INET || addresses[i].any.sa_family == AF_INET6);
        if (addresses[i].any.sa_family == AF_INET)
            CHECK_INT(ntohs(addresses[i].ip4.sin_port), 8443);
    }
}

TEST(addresses_need_none)
{
    struct wr_lookup_address address;

    CHECK(wr_lookup_literal("127.0.0.1", 80, &address));
    CHECK(address.any.sa_family == AF_INET && address.len == sizeof address.ip4);
    CHECK_INT(ntohs(address.ip4.sin_port), 80);
    CHECK(wr_lookup_literal("::1", 8443, &address));
    CHECK(address.any.sa_family == AF_INET6 && address.len == sizeof address.ip6);
    CHECK_INT(ntohs(address.ip6.sin6_port), 8443);
    CHECK(!wr_lookup_literal("localhost", 80, &address));
    CHECK(!wr_lookup_literal("127.1", 80, &address));
}

/* More than may have a thread at once: those wait, and all have their answer. */
TEST(many_at_once)
{
    static struct wr_lookup lookups[MANY];
    struct wr_loop *loop = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_loop_new(&loop, &err), 0);
    for (unsigned i = 0; i < MANY; i++) {
        lookups[i].fn = on_answer;
        CHECK_INT(wr_lookup_start(&lookups[i], loop, "localhost", 8443, &err), 0);
    }
    while (answers < MANY)
        CHECK_INT(wr_loop_step(loop, 1000, &err), 0);
    CHECK_INT(failures, 0);
    for (unsigned i = 0; i < MANY; i++)
        wr_lookup_cancel(&lookups[i]);
    wr_loop_free(loop);
}

TEST(it_can_be_given_up)
{
    struct wr_lookup lookup = {.fn = on_answer};
    struct wr_loop *loop = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_loop_new(&loop, &err), 0);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_INT(wr_lookup_start(&lookup, loop, "localhost", 8443, &err), 0);
        wr_lookup_cancel(&lookup);
        wr_lookup_cancel(&lookup);
    }
    CHECK_INT(wr_loop_step(loop, 0, &err), 0);
    CHECK_INT(answers, 0);
    wr_loop_free(loop);
}

#ifndef __SANITIZE_THREAD__ /* knows no threads of a forked child */
/* A child has none of the threads that its parent was waiting for. */
TEST(a_forked_child_begins_anew)
{
    static struct wr_lookup lookups[WR_LOOKUP_THREADS];
    struct wr_loop *loop = NULL;
    struct wr_error err = {0};
    int status = 0;

    CHECK(pipe(gate) == 0);
    gated = getpid();
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    for (unsigned i = 0; i < WR_LOOKUP_THREADS; i++) {
        lookups[i].fn = on_answer;
        CHECK_INT(wr_lookup_start(&lookups[i], loop, "localhost", 8443, &err), 0);
    }
    while (atomic_load(&at_gate) < WR_LOOKUP_THREADS)
        (void)sched_yield();
    pid_t pid = fork();
    if (pid == 0) {
        struct wr_lookup lookup = {.fn = on_answer};
        struct wr_loop *own = NULL;
        alarm(20);
        CHECK_INT(wr_loop_new(&own, &err), 0);
        CHECK_INT(wr_lookup_start(&lookup, own, "localhost", 8443, &err), 0);
        while (answers == 0)
            CHECK_INT(wr_loop_step(own, 1000, &err), 0);
        _exit(failures ? 1 : 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    close(gate[1]);
    while (answers < WR_LOOKUP_THREADS)
        CHECK_INT(wr_loop_step(loop, 1000, &err), 0);
    CHECK_INT(failures, 0);
    close(gate[0]);
    wr_loop_free(loop);
}
#endif
