#include "cli/serve_values.h"

#include <stddef.h>

#include "client/sandbox.h"
#include "engine/action.h"

#define AT(member) offsetof(struct wr_serve_values, member)

#define MAX_RATE        1000000
#define MAX_SANDBOXES   16384
#define MAX_CONNECTIONS 65536
#define HOUR_MS         3600000
#define WEEK_MS         (168 * (uint64_t)HOUR_MS)

const struct wr_opt wr_serve_opts[WR_SERVE_OPT_COUNT] = {
    {"api-listen", 0, WR_OPT_STRING, AT(api_listen), "ADDR:PORT|off", "control API, with keys", 0,
     0, false, "127.0.0.1:3000"},
    {"ingress-listen", 0, WR_OPT_STRING, AT(ingress_listen), "ADDR:PORT|off", "ports of sandboxes",
     0, 0, false, "127.0.0.1:3002"},
    {"domain", 0, WR_OPT_STRING, AT(domain), "NAME",
     "api.NAME is the control API, PORT-ID.NAME a port of a sandbox", 0, 0, false, ""},
    {"listen", 0, WR_OPT_STRING, AT(listen), "ADDR:PORT,...",
     "both, told apart by host name (with a certificate 0.0.0.0:443)", 0, 0, false, ""},
    {"tls-cert", 0, WR_OPT_STRING, AT(tls_cert), "FILE",
     "certificate of NAME and *.NAME, then intermediates, PEM", 0, 0, false, ""},
    {"tls-key", 0, WR_OPT_STRING, AT(tls_key), "FILE", "its key, PEM", 0, 0, false, ""},
    {"timeout-max", 0, WR_OPT_DURATION, AT(timeout_max_ms), "TIME", "longest life of a sandbox",
     WR_SANDBOX_TIMEOUT_S * 1000, WEEK_MS, false, "24h"},
    {"rate-requests", 0, WR_OPT_U64, AT(rate_requests), "N",
     "requests of one key per second, 0: any number", 0, MAX_RATE, false, "2000"},
    {"rate-creates", 0, WR_OPT_U64, AT(rate_creates), "N",
     "sandboxes that one key makes per second, 0: any number", 0, MAX_RATE, false, "500"},
    {"max-sandboxes", 0, WR_OPT_U64, AT(max_sandboxes), "N",
     "sandboxes of one team at a time, 0: any number", 0, MAX_SANDBOXES, false, "2000"},
    {"max-connections", 0, WR_OPT_U64, AT(max_connections), "N",
     "connections into one sandbox at a time", 1, MAX_CONNECTIONS, false, "1024"},
    {"egress", 0, WR_OPT_CHOICE, AT(egress), "on|off", "whether sandboxes reach other hosts", 0, 0,
     false, "on"},
    {"egress-open", 0, WR_OPT_STRING, AT(egress_open), "RANGE,...",
     "private ranges that sandboxes may reach, e.g. 10.1.0.0/16", 0, 0, false, ""},
    {"dns-servers", 0, WR_OPT_STRING, AT(dns_servers), "ADDR[:PORT],...",
     "resolvers for the names of sandboxes (those of the host)", 0, 0, false, ""},
    {"egress-ca", 0, WR_OPT_STRING, AT(egress_ca), "FILE",
     "further roots for servers that get headers by network.rules, PEM", 0, 0, false, ""},
    {"egress-connections", 0, WR_OPT_U64, AT(egress_connections), "N",
     "connections out of one sandbox at a time", 1, MAX_CONNECTIONS, false, "1024"},
    {"egress-bandwidth", 0, WR_OPT_SIZE, AT(egress_bandwidth), "SIZE",
     "bytes per second of one sandbox, both directions together, 0: any number", 0, 0, false, "0"},
    {"new-volume-size", 0, WR_OPT_SIZE, AT(new_volume_size), "SIZE",
     "limit of a volume whose creator says nothing", WR_ACTION_VOLUME_BYTES_MIN,
     WR_ACTION_VOLUME_BYTES_MAX, false, "1G"},
    {"max-volume-size", 0, WR_OPT_SIZE, AT(max_volume_size), "SIZE", "largest limit of a volume",
     WR_ACTION_VOLUME_BYTES_MIN, WR_ACTION_VOLUME_BYTES_MAX, false, "64G"},
    {"blanks", 0, WR_OPT_STRING, AT(blanks), "TEMPLATE=N,...|off",
     "sandboxes kept ready with an interpreter that runs", 0, 0, false, "base=2"},
    {"lenient", 0, WR_OPT_FLAG, AT(lenient), NULL,
     "ignore unknown fields of requests instead of refusing them", 0, 0, false, "no"},
    {"log-format", 0, WR_OPT_CHOICE, AT(log_format), "logfmt|json", "form of the log on stderr", 0,
     0, false, "logfmt"},
    {"log-level", 0, WR_OPT_CHOICE, AT(log_level), "debug|info|warn|error", "least level", 0, 0,
     false, "info"},
    {"idle-timeout", 0, WR_OPT_DURATION, AT(idle_timeout_ms), "TIME",
     "end after TIME without requests and sandboxes, 0: never", 0, 0, false, "0"},
    {"volume-size", 0, WR_OPT_SIZE, AT(volume_size), "SIZE",
     "size of the file for writable layers, when it is made", 256 * WR_MIB, 64 * 1024 * WR_GIB,
     false, ""},
    {"volume-path", 0, WR_OPT_STRING, AT(volume_path), "DIR",
     "directory for writable layers instead of a file of our own", 0, 0, false, ""},
    {"check-config", 0, WR_OPT_FLAG, AT(check_config), NULL,
     "print every setting and where it comes from, say what is wrong, and end", 0, 0, false, NULL},
    {"check", 0, WR_OPT_FLAG, AT(check), NULL, "say whether the server could start, and end", 0, 0,
     false, NULL},
    {"verbose", 'v', WR_OPT_FLAG, AT(verbose), NULL, "the same as --log-level debug", 0, 0, false,
     NULL},
    {"fake", 0, WR_OPT_FLAG, AT(fake), NULL, "sandboxes without isolation, for tests", 0, 0, true,
     NULL},
    {"private", 0, WR_OPT_FLAG, AT(private), NULL, "no TCP listener", 0, 0, true, NULL},
    {"ready-fd", 0, WR_OPT_U64, AT(ready_fd), "FD", "pipe that is told about readiness or failure",
     3, 1023, true, NULL},
};
