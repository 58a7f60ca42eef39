#include "agent/fs/target.h"

#include "agent/auth.h"
#include "agent/fs/path.h"
#include "agent/reply.h"
#include "base/parse.h"
#include "base/str.h"

struct file_query {
    char path[PATH_MAX];
    char user[256];
    char signature[2 * WR_SIGNATURE_LEN];
    char expiration[32];
};

static bool read_query(struct wr_exchange *ex, struct file_query *ret)
{
    const struct {
        const char *name;
        char *out;
        size_t cap;
    } fields[] = {
        {"path", ret->path, sizeof(ret->path)},
        {"username", ret->user, sizeof(ret->user)},
        {"signature", ret->signature, sizeof(ret->signature)},
        {"signature_expiration", ret->expiration, sizeof(ret->expiration)},
    };
    struct wr_error err;

    for (size_t i = 0; i < WR_ARRAY_SIZE(fields); i++) {
        if (wr_exchange_query(ex, fields[i].name, fields[i].out, fields[i].cap, &err) < 0) {
            wr_reply_error_late(ex, 400, "%s", err.msg);
            return false;
        }
    }
    return true;
}

static bool check_link(const struct wr_agent *agent, struct wr_exchange *ex, const char *operation,
                       const struct file_query *query)
{
    int64_t expires = 0;
    const bool has_expiration = query->expiration[0] != '\0';
    const struct wr_signed_link link = {.path = query->path,
                                        .operation = operation,
                                        .user = query->user,
                                        .expires = has_expiration ? &expires : NULL};
    struct wr_error err;

    if (has_expiration && wr_parse_i64(query->expiration, INT64_MIN, INT64_MAX, &expires) < 0) {
        wr_reply_error_late(ex, 400, "signature_expiration: '%s' is no number of seconds",
                            query->expiration);
        return false;
    }
    if (wr_auth_link(agent->config, ex, &link, query->signature, &err) < 0) {
        wr_reply_error_late(ex, 401, "%s", err.msg);
        return false;
    }
    return true;
}

int wr_file_user(const struct wr_agent *agent, const char *name, struct wr_user *ret,
                 struct wr_error *err)
{
    struct wr_error why;

    if (name[0] == '\0')
        name = agent->config->default_user;
    if (name[0] == '\0')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "no username given and no default user set");
    int rc = wr_user_lookup(name, ret, &why);
    if (rc == 0)
        return 0;
    return wr_fail(err, rc == -WR_E_NOT_FOUND ? WR_E_UNAUTHENTICATED : WR_E_INTERNAL, 0,
                   "error looking up user '%.64s': %s", name, why.msg);
}

bool wr_file_target_read(const struct wr_agent *agent, struct wr_exchange *ex,
                         const char *operation, struct wr_file_target *ret)
{
    struct file_query query = {0};
    struct wr_error err;

    if (!read_query(ex, &query) || !check_link(agent, ex, operation, &query))
        return false;
    ret->has_path = query.path[0] != '\0';
    int rc = wr_file_user(agent, query.user, &ret->user, &err);
    if (rc == 0)
        rc = wr_path_resolve(query.path, &ret->user, agent->config->default_workdir, ret->path,
                             &err);
    if (rc < 0)
        wr_reply_error_late(ex, wr_code_http_status(err.code), "%s", err.msg);
    return rc == 0;
}
