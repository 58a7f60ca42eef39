#include "base/str.h"
#include "server/webhook_call.h"
#include "test.h"

/* Independent results: printf '%s' "$secret$body" | sha256sum | xxd -r -p | base64. */
TEST(signatures)
{
    static const struct {
        const char *secret, *body, *signature;
    } rows[] = {
        {"", "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"},
        {"secret", "{\"id\":\"1\"}", "g9GVspAMpMVO02eBYKI8LqYg8lbg1Z8T069M83IWUuQ"},
        {"s", "ecret{\"id\":\"1\"}", "g9GVspAMpMVO02eBYKI8LqYg8lbg1Z8T069M83IWUuQ"},
        {"k", "\xc3\xa4", "BK9XNrWvWyH60SgbNnoG/0/2DPBX6XWUutiW+x6aFW0"},
    };
    char signature[WR_WEBHOOK_SIGNATURE + 1];

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        wr_webhook_sign(rows[i].secret, rows[i].body, strlen(rows[i].body), signature);
        CHECK_STR(signature, rows[i].signature);
    }
}

TEST(a_call_that_never_was)
{
    struct wr_webhook_call call = {0};

    CHECK(!wr_webhook_call_busy(&call));
    wr_webhook_call_cancel(&call);
    wr_webhook_call_cancel(&call);
}
