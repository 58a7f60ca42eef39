#include "base/alloc.h"
#include "primitives/secure/redactor.h"
#include "primitives/secure/redactor_patterns.h"
#include "test.h"

#define HEX32         "0123456789abcdef0123456789abcdef"
#define PEM_BODY_LINE "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n"

static void check(const char *text, const char *expected)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    wr_auto_free char *got = NULL;
    size_t len = 0, count = 99;

    CHECK(redactor != NULL);
    CHECK_INT(wr_redact(redactor, text, strlen(text), &got, &len, &count, &err), 0);
    CHECK_STR(got, expected);
    CHECK_INT(len, strlen(expected));
    CHECK_INT(count == 0, strcmp(text, expected) == 0);
}

/* What each finds, in a sentence; `secret` has to go, and nothing else. */
TEST(secrets_go)
{
    static const char *const secrets[] = {
        "sk-" HEX32,
        "sk-proj-Ab_9-defghijklmnopqrstuvwxyz",
        "sk-ant-api03-Ab_9-defghijklmnopqrstuvwxyz",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "ya29.a0AfH6SMBabcdefghijklmnop",
        "GOCSPX-0123456789abcdefghijklmnopqr",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "gho_0123456789abcdefghijklmnopqrstuvwxyz",
        "github_pat_11ABCDEFG0123456789_abcdefghijk",
        "glpat-0123456789abcdefghij",
        "xoxb-0123456789-abcdefghij",
        "xapp-1-A0123456789-abcdef",
        "sk_live_0123456789abcdef",
        "rk_test_0123456789abcdef",
        "whsec_0123456789abcdefghijklmn",
        "npm_0123456789abcdefghijklmnopqrstuvwxyz",
        "pypi-AgEIcHlwaS5vcmcCJDAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm9wcXJz",
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "SG.0123456789abcdefghijkl.0123456789abcdefghijklmnopqrstuvwxyz0123456",
        "e2b_0123456789abcdef0123456789abcdef01234567",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r",
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "-----BEGIN PRIVATE KEY-----\n" PEM_BODY_LINE PEM_BODY_LINE "-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" PEM_BODY_LINE
        "-----END RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\\n" HEX32 "\\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" PEM_BODY_LINE
        "-----END PGP PRIVATE KEY BLOCK-----",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(secrets); i++) {
        wr_auto_free char *text = wr_asprintf("is <%s> the one?", secrets[i]);
        CHECK(text != NULL);
        check(text, "is <[REDACTED]> the one?");
    }
}

TEST(what_stands_around_a_value_stays)
{
    static const char *const pairs[][2] = {
        {"password=hunter22", "password=[REDACTED]"},
        {"\x1b[1mpassword\x1b[0m: \x1b[32mhunter22\x1b[0m",
         "\x1b[1mpassword\x1b[0m: \x1b[32m[REDACTED]\x1b[0m"},
        {"password \x1b[38;5;241m=\x1b[39m \x1b[33m'hunter22'",
         "password \x1b[38;5;241m=\x1b[39m \x1b[33m'[REDACTED]'"},
        {"\x1b[1mAuthorization: Bearer abcdefghijklmnop.qrs",
         "\x1b[1mAuthorization: Bearer [REDACTED]"},
        {"\x1b[1mAuthorization:\x1b[0m Basic am9lOnBhc3M=",
         "\x1b[1mAuthorization:\x1b[0m Basic [REDACTED]"},
        {"\x1b[32mAKIAIOSFODNN7EXAMPLE\x1b[0m", "\x1b[32m[REDACTED]\x1b[0m"},
        {"PASSWORD: \"correct horse\"!", "PASSWORD: \"[REDACTED]\"!"},
        {"{'db_passwd': 'geheim', 'n': 1}", "{'db_passwd': '[REDACTED]', 'n': 1}"},
        {"{\"api_key\": \"abcd1234\"}", "{\"api_key\": \"[REDACTED]\"}"},
        {"\\\"token\\\": \\\"abcd1234\\\"", "\\\"token\\\": \\\"[REDACTED]\\\""},
        {"{\"secret\": \"ab\\\"cd\\\\\", 1}", "{\"secret\": \"[REDACTED]\", 1}"},
        {"client-secret => abcd1234,", "client-secret => [REDACTED],"},
        {"GITHUB_TOKEN=abcd1234 next", "GITHUB_TOKEN=[REDACTED] next"},
        {"AWS_SECRET_ACCESS_KEY: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
         "AWS_SECRET_ACCESS_KEY: [REDACTED]"},
        {"postgres://joe:p@ss:w@db.example/x", "postgres://[REDACTED]@db.example/x"},
        {"redis://:geheim@localhost:6379", "redis://[REDACTED]@localhost:6379"},
        {"Authorization: Bearer abcdefghijklmnop.qrs", "Authorization: Bearer [REDACTED]"},
        {"\"Authorization\": \"Basic am9lOnBhc3M=\"", "\"Authorization\": \"Basic [REDACTED]\""},
        {"?sv=1&sig=abcdefghijklmnopqrstuvwxyz0123456789%3D&x=1", "?sv=1&sig=[REDACTED]&x=1"},
        {"DefaultEndpointsProtocol=https;AccountKey=abcd1234==;x",
         "DefaultEndpointsProtocol=https;AccountKey=[REDACTED];x"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(pairs); i++)
        check(pairs[i][0], pairs[i][1]);
}

/* For each kind the nearest text that is none. */
TEST(ordinary_text_stays)
{
    static const char *const texts[] = {
        "",
        "sk-0123456789abcdef0123456789abcde",
        "sk-proj-short",
        "AKIAIOSFODNN7EXAMPL",
        "XAKIAIOSFODNN7EXAMPLE",
        "AKIAIOSFODNN7EXAMPLEX",
        "AIzaSy",
        "ghp_0123456789abcdefghijklmnopqrstuvwxy",
        "glpat-short",
        "xoxb-short",
        "eyJhbGciOiJIUzI1NiJ9",
        "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        "http://localhost:8080/path@x",
        "https://example.org/a:b@c",
        "the password is not in here",
        "password: null, token = None, secret == 1",
        "max_tokens: 4096",
        "the bearer of news",
        "a secret agent, an executor, sk-learn",
        "120\n",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++)
        check(texts[i], texts[i]);
}

/* Output is cut at a length: half of a key is a secret as well. */
TEST(a_private_key_without_its_end_goes)
{
    check("x\n-----BEGIN EC PRIVATE KEY-----\n" PEM_BODY_LINE "MII", "x\n[REDACTED]");
    check("-----BEGIN PRIVATE KEY-----\nMII\n-----BEGIN CERTIFICATE-----\nabc\n",
          "[REDACTED]-----BEGIN CERTIFICATE-----\nabc\n");
}

TEST(redacting_twice_changes_nothing)
{
    check("password=[REDACTED], Bearer [REDACTED], x://[REDACTED]@host",
          "password=[REDACTED], Bearer [REDACTED], x://[REDACTED]@host");
}

TEST(all_have_names)
{
    CHECK(wr_secret_pattern_count > 20);
    for (size_t i = 0; i < wr_secret_pattern_count; i++)
        CHECK(*wr_secret_patterns[i].name && *wr_secret_patterns[i].pattern);
}
