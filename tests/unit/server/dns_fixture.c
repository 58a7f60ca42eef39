#include "dns_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void message_bytes(struct message *m, const void *data, size_t len)
{
    CHECK(len <= sizeof m->data - m->len);
    memcpy(m->data + m->len, data, len);
    m->len += len;
}

void message_u16(struct message *m, uint16_t value)
{
    const unsigned char bytes[] = {(unsigned char)(value >> 8), (unsigned char)value};

    message_bytes(m, bytes, sizeof bytes);
}

void message_name(struct message *m, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        unsigned char label = (unsigned char)len;
        message_bytes(m, &label, 1);
        message_bytes(m, name, len);
        name += len + (name[len] == '.');
    }
    message_bytes(m, "", 1);
}

void message_begin(struct message *m, uint16_t id, uint16_t flags, const char *name, uint16_t type)
{
    m->len = 0;
    message_u16(m, id);
    message_u16(m, flags);
    message_u16(m, name != NULL);
    for (unsigned i = 0; i < 3; i++)
        message_u16(m, 0);
    if (name) {
        message_name(m, name);
        message_u16(m, type);
        message_u16(m, WR_DNS_CLASS_IN);
    }
}

void message_record(struct message *m, unsigned section, const char *name, uint16_t type,
                    uint32_t ttl_s, const void *data, size_t len)
{
    unsigned char *count = m->data + 6 + 2 * (size_t)section;
    uint16_t records = (uint16_t)(wr_dns_get16(count) + 1);

    count[0] = (unsigned char)(records >> 8);
    count[1] = (unsigned char)records;
    if (name)
        message_name(m, name);
    else
        message_u16(m, 0xc00c);
    message_u16(m, type);
    message_u16(m, WR_DNS_CLASS_IN);
    message_u16(m, (uint16_t)(ttl_s >> 16));
    message_u16(m, (uint16_t)ttl_s);
    message_u16(m, (uint16_t)len);
    message_bytes(m, data, len);
}

void message_address(struct message *m, const char *name, const char *address, uint32_t ttl_s)
{
    unsigned char bytes[16];
    bool v6 = strchr(address, ':') != NULL;

    CHECK_INT(inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes), 1);
    message_record(m, 0, name, v6 ? WR_DNS_AAAA : WR_DNS_A, ttl_s, bytes, v6 ? 16 : 4);
}

void message_alias(struct message *m, unsigned section, const char *name, uint16_t type,
                   uint32_t ttl_s, const char *target)
{
    static struct message data;

    data.len = 0;
    if (type == WR_DNS_MX)
        message_u16(&data, 10);
    message_name(&data, target);
    message_record(m, section, name, type, ttl_s, data.data, data.len);
}

void message_opt(struct message *m, uint16_t udp_size)
{
    m->data[11]++;
    message_bytes(m, "", 1);
    message_u16(m, WR_DNS_OPT_TYPE);
    message_u16(m, udp_size);
    for (unsigned i = 0; i < 3; i++)
        message_u16(m, 0);
}

/* ---- the server ---- */

static void make_answer(struct fake_dns *server, const unsigned char *data, size_t len, bool tcp,
                        struct message *answer)
{
    struct wr_dns_question question;

    CHECK_INT(wr_dns_parse_question(data, len, &question), 0);
    server->asked++;
    server->asked_tcp += tcp;
    message_begin(answer, question.id, DNS_QR, question.name, question.type);
    server->fn(server, &question, tcp, answer);
}

static void on_udp(struct wr_source *source, uint32_t events, void *data)
{
    static struct message answer;
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    unsigned char question[WR_DNS_MAX_QUESTION];

    (void)events;
    ssize_t n = recvfrom(source->fd, question, sizeof question, MSG_DONTWAIT,
                         (struct sockaddr *)&from, &from_len);
    if (n < 0)
        return;
    make_answer(data, question, (size_t)n, false, &answer);
    if (answer.len > 0)
        CHECK(sendto(source->fd, answer.data, answer.len, 0, (struct sockaddr *)&from, from_len) ==
              (ssize_t)answer.len);
}

/* One question per connection, which comes as a whole on loopback. */
static void on_question(struct wr_source *source, uint32_t events, void *data)
{
    static struct message answer;
    unsigned char question[2 + WR_DNS_MAX_QUESTION];
    int fd = source->fd;

    (void)events;
    ssize_t n = recv(fd, question, sizeof question, MSG_DONTWAIT);
    if (n > 2) {
        make_answer(data, question + 2, (size_t)n - 2, true, &answer);
        const unsigned char length[] = {(unsigned char)(answer.len >> 8),
                                        (unsigned char)answer.len};
        CHECK(send(fd, length, sizeof length, MSG_NOSIGNAL | MSG_MORE) == 2);
        CHECK(send(fd, answer.data, answer.len, MSG_NOSIGNAL) == (ssize_t)answer.len);
    }
    wr_source_remove(source);
    (void)close(fd);
}

static void on_tcp(struct wr_source *source, uint32_t events, void *data)
{
    struct fake_dns *server = data;
    struct wr_error err = {0};
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

    (void)events;
    CHECK(fd >= 0 && !server->connection.loop); /* one at a time is enough */
    CHECK_INT(
        wr_source_add(server->loop, &server->connection, fd, EPOLLIN, on_question, server, &err),
        0);
}

void fake_dns_start(struct fake_dns *server, struct wr_loop *loop, fake_dns_fn fn)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int udp = -1, tcp = -1;
    struct wr_error err = {0};

    /* The same port for both: a free one of UDP may be taken in TCP. */
    for (unsigned i = 0; i < 20 && tcp < 0; i++) {
        if (udp >= 0)
            (void)close(udp);
        udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        address.sin_port = 0;
        CHECK(bind(udp, (struct sockaddr *)&address, sizeof address) == 0);
        CHECK(getsockname(udp, (struct sockaddr *)&address, &len) == 0);
        tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(tcp, (struct sockaddr *)&address, sizeof address) < 0) {
            (void)close(tcp);
            tcp = -1;
        }
    }
    CHECK(tcp >= 0 && listen(tcp, 16) == 0);
    *server = (struct fake_dns){.loop = loop, .port = ntohs(address.sin_port), .fn = fn};
    (void)snprintf(server->setting, sizeof server->setting, "127.0.0.1:%u", server->port);
    CHECK_INT(wr_source_add(loop, &server->udp, udp, EPOLLIN, on_udp, server, &err), 0);
    CHECK_INT(wr_source_add(loop, &server->tcp, tcp, EPOLLIN, on_tcp, server, &err), 0);
}

void fake_dns_stop(struct fake_dns *server)
{
    int udp = server->udp.fd, tcp = server->tcp.fd;

    wr_source_remove(&server->udp);
    wr_source_remove(&server->tcp);
    (void)close(udp);
    (void)close(tcp);
}
