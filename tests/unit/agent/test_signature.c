#include "agent/fs/signature.h"
#include "test.h"

static const char token[] = "0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0";

static const char *sign(const char *path, const char *operation, const char *user,
                        const int64_t *expires)
{
    static char out[WR_SIGNATURE_LEN + 1];
    const struct wr_signed_link link = {path, operation, user, expires};
    wr_signature(&link, token, out);
    return out;
}

TEST(the_signature_is_what_clients_compute)
{
    CHECK_STR(sign("hello.txt", "read", "user", NULL),
              "v1_gUtH/s9YCJWgCizjfUxuWfhFE4QSydOWEIIvfLwDr6E");
    CHECK_STR(sign("/tmp/a b", "write", "", &(int64_t){1787300000}),
              "v1_tBvNRddNAoqA9oXlE1y9Luiufs0D6kDZPlBQLB64RJ0");
    CHECK_STR(sign("", "read", "user", &(int64_t){-5}),
              "v1_eVSO3p6FlTMU70franyHKMJP5VT7/ajEnw7vnA0OubU");
}

TEST(everything_in_it_counts)
{
    const int64_t soon = 1787300000, past = -5;
    const struct wr_signed_link links[] = {
        {"hello.txt", "read", "user", NULL},  {"hello.txt", "write", "user", NULL},
        {"hello.txt", "read", "", NULL},      {"", "read", "user", NULL},
        {"hello.txt", "read", "user", &soon}, {"hello.txt", "read", "user", &past},
    };
    char all[WR_ARRAY_SIZE(links)][WR_SIGNATURE_LEN + 1];
    for (size_t i = 0; i < WR_ARRAY_SIZE(links); i++) {
        wr_signature(&links[i], token, all[i]);
        CHECK_INT(strlen(all[i]), WR_SIGNATURE_LEN);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(all[i], all[j]) != 0);
    }
}
