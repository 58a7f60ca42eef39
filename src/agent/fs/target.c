#include "agent/fs/target.h"

#include "agent/fs/path.h"
#include "agent/reply.h"
#include "base/str.h"

bool wr_file_target_read(const struct wr_agent *agent, struct wr_exchange *ex,
                         struct wr_file_target *ret)
{
    char name[WR_USER_NAME_MAX] = "";
    char path[PATH_MAX] = "";
    struct wr_error err;

    int has_name = wr_exchange_query(ex, "username", name, sizeof(name), &err);
    int has_path =
        has_name < 0 ? has_name : wr_exchange_query(ex, "path", path, sizeof(path), &err);
    if (has_path < 0) {
        wr_reply_error(ex, 400, "%s", err.msg);
        return false;
    }
    if (name[0] == '\0' && !wr_strcopy(name, sizeof(name), agent->config->default_user))
        name[0] = '\0';
    if (name[0] == '\0') {
        wr_reply_error(ex, 400, "no username given and no default user set");
        return false;
    }
    int rc = wr_user_lookup(name, &ret->user, &err);
    if (rc < 0) {
        wr_reply_error(ex, rc == -WR_E_NOT_FOUND ? 401 : 500, "error looking up user '%s': %s",
                       name, err.msg);
        return false;
    }
    ret->has_path = has_path > 0 && path[0] != '\0';
    rc = wr_path_resolve(path, &ret->user, agent->config->default_workdir, ret->path, &err);
    if (rc < 0) {
        wr_reply_error(ex, 400, "%s", err.msg);
        return false;
    }
    return true;
}
