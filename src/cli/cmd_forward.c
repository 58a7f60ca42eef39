#include "cli/cmd_forward.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/awake.h"
#include "cli/listen.h"
#include "cli/port_forward.h"
#include "json/jread.h"

struct values {
    const char *address;
    bool json;
};

static const struct wr_opt opts[] = {
    {"address", 0, WR_OPT_STRING, offsetof(struct values, address), "ADDRESS",
     "local address to listen on (127.0.0.1)", 0, 0, false},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "print one JSON object: address, port, sandboxID, sandboxPort", 0, 0, false},
};

/* "PORT" or "PORT:LOCAL". */
static int parse_ports(const char *text, uint16_t *ret_port, uint16_t *ret_local,
                       struct wr_error *err)
{
    const char *colon = strchr(text, ':');
    uint64_t port = 0, local = 0;
    char first[8] = "";
    size_t len = colon ? (size_t)(colon - text) : strlen(text);

    if (len < sizeof first)
        memcpy(first, text, len);
    if (wr_parse_u64(first, 1, 65535, &port) < 0 ||
        (colon && wr_parse_u64(colon + 1, 0, 65535, &local) < 0))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "forward: \"%.40s\" is not PORT or PORT:LOCAL with numbers up to 65535",
                       text);
    *ret_port = (uint16_t)port;
    *ret_local = (uint16_t)(colon ? local : port);
    return 0;
}

static int listen_on(const struct values *values, uint16_t port, struct wr_listen_addr *addr,
                     int *ret_fd, struct wr_error *err)
{
    const char *address = values->address ? values->address : "127.0.0.1";
    bool v6 = strchr(address, ':') != NULL && address[0] != '[';
    char text[WR_LISTEN_TEXT_MAX];

    if (!wr_strformat(text, sizeof text, v6 ? "[%s]:%u" : "%s:%u", address, port) ||
        wr_listen_parse("forward", text, addr, err) < 0 || addr->len == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "forward: --address %.60s: not an address of this host", address);
    int r = wr_listen_open("forward", addr, ret_fd, err);
    if (r == -WR_E_ALREADY_EXISTS)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0,
                       "forward: another program listens on %s; choose another local port with "
                       "PORT:LOCAL, or a free one with PORT:0",
                       text);
    return r;
}

static int announce(const struct wr_listen_addr *addr, const char *id, uint16_t port, bool json,
                    struct wr_error *err)
{
    char text[WR_LISTEN_TEXT_MAX], host[INET6_ADDRSTRLEN] = "";
    int r = 0;

    wr_listen_format(addr, text);
    if (getnameinfo(&addr->sa.any, addr->len, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        host[0] = '\0';
    if (json) {
        wr_auto_json *object =
            json_pack("{s:s, s:i, s:s, s:i}", "address", host, "port", (int)wr_listen_port(addr),
                      "sandboxID", id, "sandboxPort", (int)port);
        /* One line, so that a reader knows when it is complete. */
        if (!object || json_dumpf(object, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF)
            r = wr_fail_errno(err, WR_E_UNKNOWN, "standard output");
    } else if (printf("%s -> %s port %u\n", text, id, port) < 0) {
        r = wr_fail_errno(err, WR_E_UNKNOWN, "standard output");
    }
    /* Whoever reads this through a pipe waits for it. */
    if (r == 0 && fflush(stdout) != 0)
        r = wr_fail_errno(err, WR_E_UNKNOWN, "standard output");
    return r;
}

static void on_refused(const struct wr_error *error)
{
    fprintf(stderr, "warren: %s\n", error->msg);
}

static void on_signal(int signo, void *data)
{
    (void)signo;
    wr_transport_interrupt(data, true);
}

static int serve(struct wr_transport *client, const struct wr_forward_opts *forward,
                 struct wr_error *err)
{
    static const int signos[] = {SIGINT, SIGTERM, SIGHUP, 0};
    struct wr_signals signals = {.fd = -1};

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return wr_fail_errno(err, WR_E_INTERNAL, "ignore SIGPIPE");
    int r = wr_signals_add(wr_transport_loop(client), &signals, signos, on_signal, client, err);
    if (r == 0)
        r = wr_forward_run(forward, err);
    wr_signals_remove(&signals);
    if (r == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "sandbox %s is gone", forward->sandbox_id);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_forward_opts forward = {
        .sandbox_id = in->args[0], .listen_fd = -1, .on_refused = on_refused};
    struct wr_transport *client = NULL;
    struct wr_listen_addr addr = {0};
    wr_auto_close int fd = -1;
    uint16_t local = 0;

    int r = parse_ports(in->args[1], &forward.port, &local, err);
    if (r == 0)
        r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_cli_awake(client, in->args[0], err);
    if (r == 0)
        r = listen_on(values, local, &addr, &fd, err);
    if (r == 0)
        r = announce(&addr, in->args[0], forward.port, values->json, err);
    if (r == 0) {
        forward.client = client;
        forward.listen_fd = fd;
        r = serve(client, &forward, err);
    }
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_forward = {
    .name = "forward",
    .summary = "Make a port of a sandbox a port of this machine",
    .usage = "[--address ADDRESS] [--json] ID PORT[:LOCAL]",
    .details =
        "Connections to LOCAL (the same number as PORT; 0: any free one) on this machine reach "
        "PORT in\nthe sandbox, as they are, whatever they speak; also in a sandbox whose ports are "
        "private.\nEnds with Ctrl-C (status 0), or when the sandbox is gone.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
