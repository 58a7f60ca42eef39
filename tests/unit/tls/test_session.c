#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"
#include "tls/context.h"
#include "tls/session.h"

static unsigned ends;
static struct wr_error last;

static int on_open(struct wr_tls_session *session, int fd, void *data, struct wr_error *err)
{
    (void)session;
    (void)fd;
    (void)data;
    return wr_fail(err, WR_E_INTERNAL, 0, "nobody was there to shake hands with");
}

static void on_end(struct wr_tls_session *session, const struct wr_error *error, void *data)
{
    (void)session;
    (void)data;
    ends++;
    last = error ? *error : (struct wr_error){0};
}

/* Whoever links a library may not ignore SIGPIPE. */
TEST(a_peer_that_has_gone_ends_no_program)
{
    struct wr_tls_group group = {0};
    struct wr_tls_session *session = NULL;
    struct wr_loop *loop = NULL;
    struct wr_error err = {0};
    SSL_CTX *context = NULL;
    int pair[2];

    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(close(pair[1]) == 0);
    wr_list_init(&group.sessions);
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    CHECK_INT(wr_tls_client_context_new(NULL, &context, &err), 0);
    const struct wr_tls_session_opts opts = {.loop = loop,
                                             .context = context,
                                             .server_name = "localhost",
                                             .handshake_timeout_ms = 5000,
                                             .group = &group,
                                             .on_open = on_open,
                                             .on_end = on_end};
    CHECK_INT(wr_tls_session_new(&opts, pair[0], &session, &err), 0);
    for (int i = 0; i < 10 && ends == 0; i++)
        CHECK_INT(wr_loop_step(loop, 1000, &err), 0);
    CHECK_INT(ends, 1);
    CHECK_INT(last.code, WR_E_UNAVAILABLE);
    CHECK_INT(group.count, 0);
    SSL_CTX_free(context);
    wr_loop_free(loop);
}
