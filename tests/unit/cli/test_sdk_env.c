#include "cli/sdk_env.h"
#include "test.h"

static struct wr_error err;

static const char *printed(const struct wr_sdk_target *target)
{
    static char *text;
    size_t len = 0;
    struct wr_sdk_env env = {0};

    free(text);
    text = NULL;
    CHECK_INT(wr_sdk_env_make("e2b_00", target, &env, &err), 0);
    FILE *out = open_memstream(&text, &len);
    wr_sdk_env_print(out, &env);
    fclose(out);
    wr_sdk_env_done(&env);
    CHECK_INT(env.count, 0);
    return text;
}

TEST(plain_mode)
{
    const struct wr_sdk_target target = {.api_url = "http://127.0.0.1:3000",
                                         .sandbox_url = "http://127.0.0.1:3002"};
    CHECK_STR(printed(&target), "export E2B_API_KEY=e2b_00\n"
                                "export E2B_API_URL=http://127.0.0.1:3000\n"
                                "export E2B_SANDBOX_URL=http://127.0.0.1:3002\n"
                                "export E2B_VOLUME_API_URL=http://127.0.0.1:3000\n");
}

TEST(domain_with_tls_needs_no_urls)
{
    const struct wr_sdk_target target = {.api_url = "https://api.sbx.test",
                                         .sandbox_url = "https://sandbox.sbx.test",
                                         .domain = "sbx.test",
                                         .tls = true};
    CHECK_STR(printed(&target), "export E2B_API_KEY=e2b_00\nexport E2B_DOMAIN=sbx.test\n");
}

TEST(domain_without_tls_needs_urls)
{
    const struct wr_sdk_target target = {.api_url = "http://api.sbx.test:8080",
                                         .sandbox_url = "http://sandbox.sbx.test:8080",
                                         .domain = "sbx.test:8080"};
    CHECK_STR(printed(&target), "export E2B_API_KEY=e2b_00\n"
                                "export E2B_API_URL=http://api.sbx.test:8080\n"
                                "export E2B_SANDBOX_URL=http://sandbox.sbx.test:8080\n"
                                "export E2B_VOLUME_API_URL=http://api.sbx.test:8080\n");
}

TEST(authority)
{
    const struct wr_sdk_target target = {
        .domain = "sbx.test", .tls = true, .ca_file = "/nonexistent/it's here/ca.pem"};
    CHECK_STR(printed(&target), "export E2B_API_KEY=e2b_00\n"
                                "export E2B_DOMAIN=sbx.test\n"
                                "export NODE_EXTRA_CA_CERTS='/nonexistent/it'\\''s here/ca.pem'\n"
                                "export SSL_CERT_FILE='/nonexistent/it'\\''s here/ca.pem'\n");
}
