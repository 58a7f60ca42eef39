#include "base/str.h"
#include "cli/dev_cert.h"
#include "cli/front.h"
#include "test.h"

static struct wr_serve_values values;
static struct wr_front front;
static struct wr_error err;

static void start(void)
{
    memset(&values, 0, sizeof values);
    memset(&front, 0, sizeof front);
    memset(&err, 0, sizeof err);
    values.api_listen = "127.0.0.1:0";
    values.ingress_listen = "127.0.0.1:0";
    values.timeout_max_ms = 60000;
    values.max_connections = 5;
}

static int plan(void)
{
    memset(&front, 0, sizeof front);
    return wr_front_plan(&values, &front, &err);
}

static void refused(const char *message)
{
    CHECK_INT(plan(), -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, message))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.msg, message);
    wr_front_done(&front);
}

static const char *write_file(const char *name, struct wr_buf *text)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % 4];

    CHECK(wr_strformat(path, sizeof paths[0], "%s/%s", getenv("FRONT_DIR"), name));
    FILE *file = fopen(path, "we");
    CHECK(file && fwrite(wr_buf_ptr(text), text->len, 1, file) == 1);
    fclose(file);
    return path;
}

/* sbx.test.pem and .key, and ca.pem beside them. */
static void make_certificate(void)
{
    char dir[] = "/tmp/warren-front-XXXXXX";
    struct wr_dev_pair ca = WR_DEV_PAIR, leaf = WR_DEV_PAIR;

    CHECK(mkdtemp(dir) && setenv("FRONT_DIR", dir, 1) == 0);
    CHECK_INT(wr_dev_ca_make(&ca, &err), 0);
    CHECK_INT(wr_dev_leaf_make(&ca, "sbx.test", &leaf, &err), 0);
    (void)write_file("ca.pem", &ca.cert);
    values.tls_cert = write_file("sbx.test.pem", &leaf.cert);
    values.tls_key = write_file("sbx.test.key", &leaf.key);
    wr_dev_pair_done(&ca);
    wr_dev_pair_done(&leaf);
}

static void remove_certificate(void)
{
    static const char *const names[] = {"ca.pem", "sbx.test.pem", "sbx.test.key"};
    char path[128];

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (wr_strformat(path, sizeof path, "%s/%s", getenv("FRONT_DIR"), names[i]))
            (void)unlink(path);
    (void)rmdir(getenv("FRONT_DIR"));
}

TEST(plain_mode)
{
    struct wr_listen_spec specs[WR_MAX_LISTENERS] = {0};
    char url[64], domain[64];

    start();
    values.rate_creates = 3;
    values.lenient = true;
    CHECK_INT(plan(), 0);
    CHECK_INT(front.count, 2);
    CHECK_INT(front.config.timeout_max_s, 60);
    CHECK_INT(front.config.limits.creates_per_s, 3);
    CHECK_INT(front.config.max_connections_per_sandbox, 5);
    CHECK(front.config.lenient);
    CHECK_INT(wr_front_open(&front, specs, &err), 0);
    CHECK_INT(specs[0].kind, WR_LISTEN_API);
    CHECK_INT(specs[1].kind, WR_LISTEN_INGRESS);
    CHECK(!specs[0].tls && !specs[1].tls);
    CHECK(wr_strformat(url, sizeof url, "http://127.0.0.1:%u",
                       wr_listen_port(&front.listeners[0].addr)));
    CHECK_STR(front.config.api_url, url);
    CHECK(wr_strformat(domain, sizeof domain, "localhost:%u",
                       wr_listen_port(&front.listeners[1].addr)));
    CHECK_STR(front.config.public_domain, domain);
    CHECK(!front.config.domain && !front.config.tls_cert_pem);
    close(specs[0].fd);
    close(specs[1].fd);
    wr_front_done(&front);
}

TEST(nothing_listens)
{
    struct wr_listen_spec specs[WR_MAX_LISTENERS] = {0};

    start();
    values.api_listen = "off";
    values.ingress_listen = NULL;
    CHECK_INT(plan(), 0);
    CHECK_INT(wr_front_open(&front, specs, &err), 0);
    CHECK_INT(front.count, 0);
    CHECK(!front.config.api_url && !front.config.sandbox_url && !front.config.public_domain);
}

TEST(private_server_opens_nothing)
{
    start();
    make_certificate();
    values.domain = "sbx.test";
    values.private = true;
    values.max_connections = 7;
    CHECK_INT(plan(), 0);
    CHECK_INT(front.count, 0);
    CHECK(!front.config.domain && !front.config.tls_key_pem);
    CHECK_INT(front.config.max_connections_per_sandbox, 7);
    remove_certificate();
}

TEST(every_address_is_a_listener)
{
    struct wr_listen_spec specs[WR_MAX_LISTENERS] = {0};

    start();
    values.domain = "sbx.test:8080";
    values.listen = "127.0.0.1:0, [::1]:0,127.0.0.1:0";
    CHECK_INT(plan(), 0);
    CHECK_INT(front.count, 5);
    for (size_t i = 2; i < 5; i++)
        CHECK(front.listeners[i].kind == WR_LISTEN_DOMAIN && !front.listeners[i].tls);
    CHECK_INT(wr_front_open(&front, specs, &err), 0);
    CHECK_STR(front.config.public_domain, "sbx.test:8080");
    CHECK_STR(front.config.api_url, "http://api.sbx.test:8080");
    CHECK_STR(front.config.sandbox_url, "http://sandbox.sbx.test:8080");
    for (size_t i = 0; i < front.count; i++)
        close(specs[i].fd);
    values.listen = "127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0,127.0.0.1:0";
    refused("listen: more than 5");
}

TEST(domain_with_certificate)
{
    start();
    make_certificate();
    values.domain = "sbx.test";
    CHECK_INT(plan(), 0);
    CHECK_INT(front.count, 3);
    CHECK(front.listeners[2].tls);
    CHECK_INT(wr_listen_port(&front.listeners[2].addr), 443);
    CHECK(wr_starts_with(front.config.tls_cert_pem, "-----BEGIN CERTIFICATE-----"));
    CHECK(wr_starts_with(front.config.tls_key_pem, "-----BEGIN PRIVATE KEY-----"));
    CHECK(front.config.ca_path && wr_ends_with(front.config.ca_path, "/ca.pem"));
    wr_front_done(&front);
    /* Somebody else's authority beside it is none of its own. */
    struct wr_dev_pair other = WR_DEV_PAIR;
    CHECK_INT(wr_dev_ca_make(&other, &err), 0);
    (void)write_file("ca.pem", &other.cert);
    CHECK_INT(plan(), 0);
    CHECK(!front.config.ca_path);
    wr_front_done(&front);
    wr_dev_pair_done(&other);
    remove_certificate();
}

TEST(what_does_not_go_together)
{
    start();
    make_certificate();
    refused("tls-cert: without the setting domain");
    values.domain = "sbx.test";
    values.tls_key = NULL;
    refused("tls-cert and tls-key");
    values.tls_cert = NULL;
    values.domain = "Sbx.test";
    refused("domain: \"Sbx.test\"");
    values.domain = "sbx.test:0";
    refused("domain: \"sbx.test:0\"");
    values.domain = "10.0.0.1";
    refused("domain: \"10.0.0.1\"");
    values.domain = NULL;
    values.listen = "127.0.0.1:0";
    refused("listen: without the setting domain");
    values.listen = NULL;
    values.api_listen = "here";
    refused("api-listen: \"here\"");
    values.api_listen = "off";
    values.ingress_listen = "there";
    refused("ingress-listen: \"there\"");
    remove_certificate();
}

TEST(files_that_are_no_certificate)
{
    start();
    make_certificate();
    values.domain = "sbx.test";
    const char *key = values.tls_key;
    values.tls_key = "/nonexistent/key";
    CHECK_INT(plan(), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "tls-key: read /nonexistent/key"));
    wr_front_done(&front);
    values.tls_key = key;
    values.tls_cert = "/dev/null";
    refused("tls-cert: /dev/null is not a PEM file");
    remove_certificate();
}

TEST(egress)
{
    start();
    make_certificate();
    values.domain = "sbx.test";
    CHECK_INT(plan(), 0);
    CHECK(!front.config.egress.off && !front.config.egress.open && !front.config.egress.ca_pem);
    wr_front_done(&front);
    char ca[128];
    CHECK(wr_strformat(ca, sizeof ca, "%s/ca.pem", getenv("FRONT_DIR")));
    values.egress = WR_SERVE_EGRESS_OFF;
    values.egress_open = "10.1.0.0/16, fd00::/8";
    values.dns_servers = "192.0.2.1,[2001:db8::1]:5353";
    values.egress_ca = ca;
    values.egress_connections = 7;
    values.egress_bandwidth = 1000;
    /* A server that a command starts by itself has it all, too. */
    for (int i = 0; i <= 1; i++) {
        values.private = i;
        CHECK_INT(plan(), 0);
        const struct wr_egress_config *egress = &front.config.egress;
        CHECK(egress->off && wr_starts_with(egress->ca_pem, "-----BEGIN CERTIFICATE-----"));
        CHECK_STR(egress->open, values.egress_open);
        CHECK_STR(egress->dns_servers, values.dns_servers);
        CHECK_INT(egress->max_connections, 7);
        CHECK_INT(egress->bandwidth_bytes_per_s, 1000);
        wr_front_done(&front);
    }
    values.egress_open = "10.1.0.0/33";
    refused("egress-open: \"10.1.0.0/33\"");
    values.egress_open = NULL;
    values.dns_servers = "resolver";
    refused("dns-servers: 'resolver'");
    values.dns_servers = NULL;
    values.egress_ca = values.tls_key;
    refused("egress-ca: ");
    values.egress_ca = "/nonexistent/ca";
    CHECK_INT(plan(), -WR_E_NOT_FOUND);
    wr_front_done(&front);
    remove_certificate();
}

TEST(a_taken_address_closes_the_others)
{
    struct wr_listen_spec specs[WR_MAX_LISTENERS] = {0};
    struct wr_listen_addr taken = {0};
    char text[WR_LISTEN_TEXT_MAX];
    int fd = -1;

    CHECK_INT(wr_listen_parse("x", "127.0.0.1:0", &taken, &err), 0);
    CHECK_INT(wr_listen_open("x", &taken, &fd, &err), 0);
    wr_listen_format(&taken, text);
    start();
    values.ingress_listen = text;
    CHECK_INT(plan(), 0);
    CHECK_INT(wr_front_open(&front, specs, &err), -WR_E_ALREADY_EXISTS);
    CHECK(strstr(err.msg, "ingress-listen: another program"));
    CHECK_INT(specs[0].fd, -1);
    close(fd);
}
