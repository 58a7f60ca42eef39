#include "server/egress/name_servers.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"

#define DNS_PORT       53
#define CHECK_MS       1000
#define MAX_FILE_BYTES (64 * 1024)
#define MAX_ENTRY      64 /* bytes of one address with port */

/* "1.2.3.4", "1.2.3.4:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5353". */
static bool parse_entry(const char *text, struct wr_name_server *ret)
{
    struct wr_name_server server = {.port = DNS_PORT};
    char address[MAX_ENTRY];
    const char *port = NULL, *begin = text;
    size_t len = strlen(text);
    uint64_t number = DNS_PORT;

    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        begin = text + 1;
        len = (size_t)(end - begin);
        port = end[1] ? end + 2 : NULL;
    } else if (strchr(text, ':') == strrchr(text, ':') && strchr(text, ':')) {
        len = strcspn(text, ":");
        port = text + len + 1;
    }
    if (len >= sizeof address)
        return false;
    memcpy(address, begin, len);
    address[len] = '\0';
    if (!wr_ip_parse(address, &server.address) ||
        (port && wr_parse_u64(port, 1, UINT16_MAX, &number) < 0))
        return false;
    server.port = (uint16_t)number;
    *ret = server;
    return true;
}

static int from_setting(struct wr_name_servers *servers, const char *setting, struct wr_error *err)
{
    for (const char *at = setting; *at;) {
        char entry[MAX_ENTRY];
        size_t len = strcspn(at, ",");
        if (servers->count == WR_NAME_SERVERS)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "dns-servers: more than %d addresses are given", WR_NAME_SERVERS);
        if (!wr_strformat(entry, sizeof entry, "%.*s", (int)WR_MIN(len, MAX_ENTRY), at) ||
            !parse_entry(entry, &servers->list[servers->count]))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "dns-servers: '%.*s' is not an address such as 192.0.2.1, "
                           "192.0.2.1:5353 or [2001:db8::1]:5353",
                           (int)WR_MIN(len, MAX_ENTRY), at);
        servers->count++;
        at += len + (at[len] == ',');
    }
    return 0;
}

/* One line of resolv.conf. */
static void take_line(struct wr_name_servers *servers, const char *line, size_t len)
{
    static const char keyword[] = "nameserver";
    const size_t keyword_len = sizeof keyword - 1;
    char entry[MAX_ENTRY];

    if (len <= keyword_len || memcmp(line, keyword, keyword_len) != 0 ||
        (line[keyword_len] != ' ' && line[keyword_len] != '\t'))
        return;
    line += keyword_len;
    len -= keyword_len;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    size_t end = 0;
    while (end < len && line[end] != ' ' && line[end] != '\t')
        end++;
    struct wr_name_server server = {.port = DNS_PORT};
    if (end >= sizeof entry || servers->count == WR_NAME_SERVERS)
        return;
    memcpy(entry, line, end);
    entry[end] = '\0';
    /* An address with a zone (fe80::1%eth0) is not one that can be used here. */
    if (wr_ip_parse(entry, &server.address))
        servers->list[servers->count++] = server;
}

static void read_file(struct wr_name_servers *servers)
{
    wr_auto_buf text = WR_BUF(MAX_FILE_BYTES);

    servers->count = 0;
    if (wr_file_read(AT_FDCWD, servers->path, &text) == 0) {
        const char *at = wr_buf_ptr(&text);
        for (size_t left = text.len; left > 0;) {
            const char *end = memchr(at, '\n', left);
            size_t len = end ? (size_t)(end - at) : left;
            take_line(servers, at, len);
            at += len + (end != NULL);
            left -= len + (end != NULL);
        }
    }
    if (servers->count == 0 && wr_ip_parse("127.0.0.1", &servers->list[0].address)) {
        servers->list[0].port = DNS_PORT;
        servers->count = 1;
    }
}

int wr_name_servers_init(struct wr_name_servers *servers, const char *setting, const char *path,
                         struct wr_error *err)
{
    struct wr_name_servers made = {.path = path};

    if (setting && *setting) {
        made.path = NULL;
        int r = from_setting(&made, setting, err);
        if (r < 0)
            return r;
    } else {
        struct stat st;
        if (stat(path, &st) == 0)
            made.changed = st.st_mtim;
        read_file(&made);
    }
    *servers = made;
    return 0;
}

void wr_name_servers_refresh(struct wr_name_servers *servers, uint64_t now_ms)
{
    struct stat st;

    if (!servers->path || now_ms - servers->checked_ms < CHECK_MS)
        return;
    servers->checked_ms = now_ms;
    if (stat(servers->path, &st) < 0)
        return; /* about to be replaced; what was read stays in use */
    if (st.st_mtim.tv_sec != servers->changed.tv_sec ||
        st.st_mtim.tv_nsec != servers->changed.tv_nsec) {
        servers->changed = st.st_mtim;
        read_file(servers);
    }
}
