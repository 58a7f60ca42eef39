#include "agent/auth.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/str.h"

#define BASIC_MAX 512 /* bytes of base64 */

static const char basic[] = "Basic ";

/* Routes that answer to anybody, or that check by themselves whether they do. */
static const struct {
    const char *method, *path;
} open_routes[] = {
    {"GET", "/health"}, {"HEAD", "/health"}, {"GET", "/files"}, {"HEAD", "/files"},
    {"POST", "/files"}, {"GET", "/init"},    {"POST", "/init"},
};

enum token {
    TOKEN_ABSENT = 0,
    TOKEN_RIGHT = 1,
    TOKEN_WRONG = 2,
};

static enum token check_field(const char *field, const char *token, const struct wr_exchange *ex)
{
    const struct wr_h1_header *given = wr_h1_find(wr_exchange_head(ex), field);
    if (!given || given->value_len == 0)
        return TOKEN_ABSENT;
    bool right = given->value_len == strlen(token) &&
                 wr_memeq_consttime(given->value, token, given->value_len);
    return right ? TOKEN_RIGHT : TOKEN_WRONG;
}

static enum token check_token(const char *token, const struct wr_exchange *ex)
{
    return check_field("X-Access-Token", token, ex);
}

bool wr_auth_has_control(const struct wr_agent_config *config, const struct wr_exchange *ex)
{
    return config->control_token &&
           check_field("X-Warren-Control", config->control_token, ex) == TOKEN_RIGHT;
}

void wr_auth_drop_token(char **token)
{
    if (*token)
        explicit_bzero(*token, strlen(*token));
    free(*token);
    *token = NULL;
}

bool wr_auth_has_token(const struct wr_agent_config *config, const struct wr_exchange *ex)
{
    return !config->access_token || check_token(config->access_token, ex) == TOKEN_RIGHT;
}

bool wr_auth_allows(const struct wr_agent_config *config, const struct wr_exchange *ex)
{
    if (wr_auth_has_token(config, ex))
        return true;
    for (size_t i = 0; i < WR_ARRAY_SIZE(open_routes) && !config->blank; i++) {
        if (wr_exchange_is(ex, open_routes[i].method) &&
            wr_streq(wr_exchange_path(ex), open_routes[i].path))
            return true;
    }
    return false;
}

int wr_auth_link(const struct wr_agent_config *config, const struct wr_exchange *ex,
                 const struct wr_signed_link *link, const char *signature, struct wr_error *err)
{
    char expected[WR_SIGNATURE_LEN + 1];

    if (!config->access_token)
        return 0;
    switch (check_token(config->access_token, ex)) {
    case TOKEN_RIGHT:
        return 0;
    case TOKEN_WRONG:
        return wr_fail(err, WR_E_UNAUTHENTICATED, 0,
                       "access token present in header but does not match");
    case TOKEN_ABSENT:
        break;
    }
    if (signature[0] == '\0')
        return wr_fail(err, WR_E_UNAUTHENTICATED, 0, "missing signature query parameter");
    wr_signature(link, config->access_token, expected);
    if (strlen(signature) != WR_SIGNATURE_LEN ||
        !wr_memeq_consttime(signature, expected, WR_SIGNATURE_LEN))
        return wr_fail(err, WR_E_UNAUTHENTICATED, 0, "invalid signature");
    if (link->expires && *link->expires < (int64_t)(wr_wall_ms() / 1000))
        return wr_fail(err, WR_E_UNAUTHENTICATED, 0, "signature is already expired");
    return 0;
}

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
