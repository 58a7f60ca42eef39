#include "agent/auth.h"

#include "base/encode.h"
#include "base/str.h"

#define BASIC_MAX 512 /* bytes of base64 */

static const char basic[] = "Basic ";

static bool is_basic(const struct wr_h1_header *header)
{
    size_t len = sizeof(basic) - 1;
    return header && header->value_len >= len && wr_memcaseeq(header->value, len, basic, len);
}

/* The user name of "Basic base64(user:password)"; empty when there is none before the colon. */
static int basic_user(const struct wr_h1_header *header, char *out, size_t cap,
                      struct wr_error *err)
{
    char plain[BASIC_MAX + 3];
    size_t len = header->value_len - (sizeof(basic) - 1);

    ssize_t n =
        len <= BASIC_MAX ? wr_base64_decode(header->value + sizeof(basic) - 1, len, plain) : -1;
    if (n >= 0 && !memchr(plain, '\0', (size_t)n)) {
        plain[n] = '\0';
        plain[strcspn(plain, ":")] = '\0';
        if (wr_strcopy(out, cap, plain))
            return 0;
    }
    return wr_fail(err, WR_E_UNAUTHENTICATED, 0,
                   "Authorization: this is not Basic with a user name");
}

int wr_auth_user(const struct wr_agent_config *config, const struct wr_exchange *ex,
                 struct wr_user *ret, struct wr_error *err)
{
    const struct wr_h1_header *header = wr_h1_find(wr_exchange_head(ex), "Authorization");
    char name[WR_USER_NAME_MAX] = "";

    if (is_basic(header)) { /* any other scheme is not meant for us */
        int r = basic_user(header, name, sizeof(name), err);
        if (r < 0)
            return r;
    }
    if (name[0] == '\0' &&
        (!wr_strcopy(name, sizeof(name), config->default_user) || name[0] == '\0'))
        return wr_fail(err, WR_E_UNAUTHENTICATED, 0, "no user given and no usable default user");

    int rc = wr_user_lookup(name, ret, err);
    if (rc == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_UNAUTHENTICATED, 0, "invalid username: '%s'", name);
    return rc;
}
