#include "agent/fs/signature.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/sha256.h"

static void add(struct wr_sha256 *hash, const char *part)
{
    wr_sha256_update(hash, part, strlen(part));
}

void wr_signature(const struct wr_signed_link *link, const char *token,
                  char out[static WR_SIGNATURE_LEN + 1])
{
    struct wr_sha256 hash;
    unsigned char digest[WR_SHA256_LEN];
    char text[WR_BASE64_LEN(WR_SHA256_LEN)];
    char expires[24];

    wr_sha256_init(&hash);
    const char *const parts[] = {link->path, link->operation, link->user};
    for (size_t i = 0; i < WR_ARRAY_SIZE(parts); i++) {
        add(&hash, parts[i]);
        add(&hash, ":");
    }
    add(&hash, token);
    if (link->expires) {
        (void)snprintf(expires, sizeof(expires), ":%lld", (long long)*link->expires);
        add(&hash, expires);
    }
    wr_sha256_final(&hash, digest);
    explicit_bzero(&hash, sizeof(hash)); /* its last block may hold the token */
    (void)wr_base64_encode(digest, sizeof(digest), text);
    memcpy(out, "v1_", 3);
    memcpy(out + 3, text, WR_SIGNATURE_LEN - 3); /* without the padding */
    out[WR_SIGNATURE_LEN] = '\0';
}
