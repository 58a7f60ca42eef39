#include "client/endpoint.h"
#include "test.h"

#define KEY "e2b_00112233445566778899aabbccddeeff00112233"
#define ID  "i1234567890123456789"

static struct wr_endpoint *made(struct wr_endpoint_opts opts)
{
    struct wr_endpoint *endpoint = NULL;
    struct wr_error err = {0};

    opts.api_key = KEY;
    if (wr_endpoint_new(&opts, &endpoint, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return endpoint;
}

/* "scheme://authority/prefix" of where a request would go. */
static const char *base(const struct wr_endpoint *endpoint, const char *id, uint16_t port,
                        const char *domain)
{
    static char text[1024];
    const struct wr_endpoint_target target = {.sandbox_id = id, .port = port, .domain = domain};
    struct wr_url url;
    struct wr_error err = {0};

    if (wr_endpoint_base(endpoint, &target, &url, &err) < 0)
        snprintf(text, sizeof text, "%s", err.msg);
    else
        snprintf(text, sizeof text, "%s://%s%s", url.tls ? "https" : "http", url.authority,
                 url.prefix);
    return text;
}

TEST(defaults_are_those_of_the_cloud)
{
    struct wr_endpoint *endpoint = made((struct wr_endpoint_opts){.domain = ""});

    CHECK_STR(wr_endpoint_name(endpoint), "https://api.e2b.app");
    CHECK_STR(base(endpoint, NULL, 0, NULL), "https://api.e2b.app");
    /* One host for all agents, but only for these. */
    CHECK_STR(base(endpoint, ID, 49983, NULL), "https://sandbox.e2b.app");
    CHECK_STR(base(endpoint, ID, 49983, "e2b.dev"), "https://sandbox.e2b.dev");
    CHECK_STR(base(endpoint, ID, 49983, "other.dev"), "https://49983-" ID ".other.dev");
    CHECK_STR(base(endpoint, ID, 49999, NULL), "https://49999-" ID ".e2b.app");
    CHECK_INT(wr_endpoint_connect_timeout_ms(endpoint), 10000);
    CHECK_STR(wr_endpoint_key(endpoint), KEY);
    CHECK(!wr_endpoint_socket(endpoint));
    wr_endpoint_free(endpoint);
}

TEST(a_domain_of_ones_own_may_have_a_port)
{
    struct wr_endpoint *endpoint = made((struct wr_endpoint_opts){.domain = "sbx.test:8443"});
    const struct wr_endpoint_target target = {.sandbox_id = ID, .port = 8000};
    char host[WR_URL_AUTHORITY_MAX];
    struct wr_error err = {0};

    CHECK_STR(base(endpoint, NULL, 0, NULL), "https://api.sbx.test:8443");
    CHECK_STR(base(endpoint, ID, 49983, NULL), "https://49983-" ID ".sbx.test:8443");
    CHECK_INT(wr_endpoint_host(endpoint, &target, host, &err), 0);
    CHECK_STR(host, "8000-" ID ".sbx.test:8443");
    wr_endpoint_free(endpoint);
}

TEST(urls_of_ones_own)
{
    struct wr_endpoint *endpoint =
        made((struct wr_endpoint_opts){.domain = "sbx.test",
                                       .api_url = "http://127.0.0.1:3000/api/",
                                       .sandbox_url = "http://127.0.0.1:3002"});
    const struct wr_endpoint_target target = {.sandbox_id = ID, .port = 8000};
    char host[WR_URL_AUTHORITY_MAX];
    struct wr_error err = {0};

    CHECK_STR(wr_endpoint_name(endpoint), "http://127.0.0.1:3000/api");
    CHECK_STR(base(endpoint, NULL, 0, NULL), "http://127.0.0.1:3000/api");
    CHECK_STR(base(endpoint, ID, 49983, NULL), "http://127.0.0.1:3002");
    CHECK_STR(base(endpoint, ID, 49999, "told.test"), "http://127.0.0.1:3002");
    /* What others see is below the domain all the same. */
    CHECK_INT(wr_endpoint_host(endpoint, &target, host, &err), 0);
    CHECK_STR(host, "8000-" ID ".sbx.test");
    wr_endpoint_free(endpoint);
}

TEST(a_socket)
{
    struct wr_endpoint *endpoint = NULL;
    const struct wr_endpoint_target target = {.sandbox_id = ID, .port = 8000};
    const struct wr_endpoint_target told = {.sandbox_id = ID, .port = 8000, .domain = "a.test"};
    char host[WR_URL_AUTHORITY_MAX] = "as before", path[200];
    struct wr_error err = {0};

    CHECK_INT(wr_endpoint_new_socket("/run/w.sock", &endpoint, &err), 0);
    CHECK_STR(wr_endpoint_name(endpoint), "/run/w.sock");
    CHECK_STR(wr_endpoint_socket(endpoint), "/run/w.sock");
    CHECK(!wr_endpoint_key(endpoint));
    CHECK_STR(base(endpoint, NULL, 0, NULL), "http://localhost");
    CHECK_STR(base(endpoint, ID, 49983, "a.test"), "http://localhost");
    CHECK_INT(wr_endpoint_host(endpoint, &target, host, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_STR(host, "as before");
    CHECK_INT(wr_endpoint_host(endpoint, &told, host, &err), 0);
    CHECK_STR(host, "8000-" ID ".a.test");
    CHECK(wr_endpoint_free(endpoint) == NULL);
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    CHECK_INT(wr_endpoint_new_socket(path, &endpoint, &err), -WR_E_INVALID_ARGUMENT);
}

TEST(any_url)
{
    struct wr_endpoint *endpoint = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_endpoint_new_url("http://collector:4318/v1", "collector", &endpoint, &err), 0);
    CHECK_STR(base(endpoint, NULL, 0, NULL), "http://collector:4318/v1");
    CHECK(!wr_endpoint_key(endpoint));
    wr_endpoint_free(endpoint);
    CHECK_INT(wr_endpoint_new_url("collector", "collector", &endpoint, &err),
              -WR_E_INVALID_ARGUMENT);
}

TEST(ids_and_domains_that_would_lead_elsewhere)
{
    static const char *const ids[] = {
        "",    "a.b", "A",   "x/y",
        "x@y", "x:1", "x y", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffff",
    };
    static const char *const domains[] = {"x/y", "x?y", "x y",   "-x",
                                          "x:0", "u@x", "[::1]", "x\r\n"};
    struct wr_endpoint *endpoint = made((struct wr_endpoint_opts){.domain = "sbx.test"});
    struct wr_url url;

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct wr_endpoint_target target = {.sandbox_id = ids[i], .port = 1};
        struct wr_error err = {0};
        CHECK_INT(wr_endpoint_base(endpoint, &target, &url, &err), -WR_E_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        const struct wr_endpoint_target target = {
            .sandbox_id = ID, .port = 1, .domain = domains[i]};
        struct wr_error err = {0};
        CHECK_INT(wr_endpoint_base(endpoint, &target, &url, &err), -WR_E_INVALID_ARGUMENT);
    }
    wr_endpoint_free(endpoint);
}

static struct wr_error refusal(struct wr_endpoint_opts opts)
{
    struct wr_endpoint *endpoint = NULL;
    struct wr_error err = {0};

    CHECK(wr_endpoint_new(&opts, &endpoint, &err) < 0 && !endpoint);
    return err;
}

TEST(settings_that_are_wrong_are_named)
{
    struct wr_error err = refusal((struct wr_endpoint_opts){.api_key = NULL});
    CHECK(err.code == WR_E_UNAUTHENTICATED && strstr(err.msg, "E2B_API_KEY"));
    err = refusal((struct wr_endpoint_opts){.api_key = ""});
    CHECK_INT(err.code, WR_E_UNAUTHENTICATED);
    err = refusal((struct wr_endpoint_opts){.api_key = "e2b_hush\r\nX: y"});
    CHECK(err.code == WR_E_UNAUTHENTICATED && !strstr(err.msg, "hush"));
    err = refusal((struct wr_endpoint_opts){.api_key = KEY, .domain = "https://x"});
    CHECK(err.code == WR_E_INVALID_ARGUMENT && strstr(err.msg, "E2B_DOMAIN"));
    err = refusal((struct wr_endpoint_opts){.api_key = KEY, .api_url = "x"});
    CHECK(err.code == WR_E_INVALID_ARGUMENT && strstr(err.msg, "E2B_API_URL"));
    err = refusal((struct wr_endpoint_opts){.api_key = KEY, .sandbox_url = "x"});
    CHECK(err.code == WR_E_INVALID_ARGUMENT && strstr(err.msg, "E2B_SANDBOX_URL"));
}
