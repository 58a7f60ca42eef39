#include "cli/doctor_resolvers.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"
#include "cli/settings.h"
#include "server/egress/dns_message.h"
#include "server/egress/name_servers.h"

#define FOUND(f, ...) ((void)snprintf((f)->found, sizeof(f)->found, __VA_ARGS__))
#define WAIT_MS       2000 /* for one server */
#define RESOLV_CONF   "/etc/resolv.conf"

/* The setting as a server that was started without options would find it. */
static void find_setting(char *out, size_t cap)
{
    WR_CLEANUP(wr_conf_done) struct wr_conf conf = {0};
    struct wr_error ignored;
    const char *text = getenv("WARREN_DNS_SERVERS");

    if ((!text || !*text) && wr_conf_read(&conf, WR_DEFAULT_CONF, true, &ignored) == 0) {
        const struct wr_conf_entry *entry = wr_conf_find(&conf, "dns-servers");
        text = entry ? entry->value : NULL;
    }
    if (!text || !wr_strcopy(out, cap, text))
        out[0] = '\0';
}

static bool names_a_server(const char *path)
{
    wr_auto_buf text = WR_BUF(64 * 1024);
    const char *all = wr_file_read(AT_FDCWD, path, &text) == 0 ? wr_buf_cstr(&text) : NULL;

    return all && (wr_starts_with(all, "nameserver") || strstr(all, "\nnameserver"));
}

/* Whether it says anything to the question for the root's own servers, which every resolver knows;
 * what it says does not matter. */
static bool answers(const struct wr_name_server *server)
{
    static const unsigned char root[] = {0};
    unsigned char query[WR_DNS_QUERY_MAX], answer[WR_DNS_UDP_MAX];
    struct sockaddr_storage address;
    socklen_t len = wr_ip_to_sockaddr(&server->address, server->port, &address);
    uint16_t id = 0;

    wr_random_bytes(&id, sizeof id);
    size_t query_len = wr_dns_build_query(id, root, sizeof root, WR_DNS_NS, query);
    wr_auto_close int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, len) < 0 ||
        send(fd, query, query_len, MSG_NOSIGNAL) != (ssize_t)query_len)
        return false;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, WAIT_MS) == 1 && recv(fd, answer, sizeof answer, 0) >= WR_DNS_HEADER &&
           memcmp(answer, query, sizeof id) == 0;
}

void wr_doctor_check_resolvers(const struct wr_doctor_place *place, struct wr_finding *ret)
{
    struct wr_name_servers servers;
    struct wr_error error = {0};
    char setting[512], text[WR_IP_TEXT] = "";

    (void)place;
    find_setting(setting, sizeof setting);
    const char *origin = setting[0] ? "the setting dns-servers" : RESOLV_CONF;
    int rc = wr_name_servers_init(&servers, setting, RESOLV_CONF, &error);
    if (rc == 0 && !setting[0] && !names_a_server(RESOLV_CONF))
        rc = wr_fail(&error, WR_E_NOT_FOUND, 0, "%s names no server", RESOLV_CONF);
    if (rc < 0) {
        FOUND(ret, "%.150s", error.msg);
        ret->health = WR_HEALTH_WARN;
        ret->cost = "sandboxes find no address of any name";
        ret->mend =
            "a line `nameserver ADDRESS` in " RESOLV_CONF ", or the setting dns-servers = ADDRESS";
        return;
    }
    for (size_t i = 0; i < servers.count; i++) {
        wr_ip_format(&servers.list[i].address, text);
        if (answers(&servers.list[i])) {
            FOUND(ret, "%s of %s answers", text, origin);
            return;
        }
    }
    FOUND(ret, "%s of %s does not answer%s", text, origin,
          servers.count > 1 ? ", nor do the others" : "");
    ret->health = WR_HEALTH_WARN;
    ret->cost = "sandboxes find no address of any name";
    ret->mend = "another server in " RESOLV_CONF ", or the setting dns-servers = ADDRESS";
}
