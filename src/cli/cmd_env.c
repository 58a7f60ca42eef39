#include "cli/cmd_env.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/key_file.h"
#include "cli/out.h"
#include "cli/sdk_env.h"
#include "cli/team_choice.h"
#include "client/keys.h"
#include "client/start.h"
#include "json/jread.h"

#define KEY_NAME "warren env"

struct values {
    const char *team;
    bool json;
};

static const struct wr_opt opts[] = {
    {"team", 0, WR_OPT_STRING, offsetof(struct values, team), "TEAM",
     "id or name of the team that the key acts for", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "a JSON object instead of lines for a shell", 0, 0, false, NULL},
};

static bool has_key(const json_t *keys, const char *id)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *other = json_string_value(json_object_get(json_array_get(keys, i), "id"));
        if (other && wr_streq(other, id))
            return true;
    }
    return false;
}

/* The key that is kept for this server and team, if the server still knows it; else a new one. */
static int get_key(struct wr_transport *client, const char *socket_path, const char *team_id,
                   char **ret, struct wr_error *err)
{
    wr_auto_free char *name = wr_asprintf("%s%s%s", socket_path, *team_id ? " " : "", team_id);
    wr_auto_json *keys = NULL, *made = NULL;
    struct wr_key_file file = {0};
    const char *id = NULL, *key = NULL;

    int r = name ? wr_key_file_open(&file, err)
                 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "name of the key");
    if (r == 0)
        r = wr_key_list(client, &keys, err);
    bool kept = r == 0 && wr_key_file_get(&file, name, &id, &key) && has_key(keys, id);
    if (r == 0 && !kept) {
        r = wr_key_create(client, KEY_NAME, *team_id ? team_id : NULL, &made, err);
        if (r == 0) {
            id = json_string_value(json_object_get(made, "id"));
            key = json_string_value(json_object_get(made, "key"));
            r = wr_key_file_put(&file, name, id, key, err);
        }
    }
    if (r == 0) {
        *ret = wr_strdup(key);
        if (!*ret)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "key");
    }
    wr_key_file_done(&file);
    return r;
}

static int print(const struct wr_sdk_env *env, bool as_json, struct wr_error *err)
{
    wr_auto_json *object = json_object();

    if (!as_json) {
        wr_sdk_env_print(stdout, env);
        return 0;
    }
    for (size_t i = 0; i < env->count; i++)
        if (json_object_set_new(object, env->vars[i].name, json_string(env->vars[i].value)) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "environment");
    return wr_print_json(object, err);
}

static int tell(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_json *info = NULL;
    wr_auto_free char *key = NULL;
    struct wr_sdk_env env = {0};
    char team_id[37];

    int r = wr_server_info(client, &info, err);
    if (r < 0)
        return r;
    const struct wr_sdk_target target = {
        .api_url = json_string_value(json_object_get(info, "apiUrl")),
        .sandbox_url = json_string_value(json_object_get(info, "sandboxUrl")),
        .domain = json_string_value(json_object_get(info, "domain")),
        .tls = json_is_true(json_object_get(info, "tls")),
        .ca_file = json_string_value(json_object_get(info, "caFile")),
    };
    if (!target.api_url)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the server on %.100s has no TCP listener for the control API; stop it, and "
                       "start one with `warren serve`",
                       in->common->socket_path);
    r = wr_team_choose(client, values->team, team_id, err);
    if (r == 0)
        r = get_key(client, in->common->socket_path, team_id, &key, err);
    if (r == 0)
        r = wr_sdk_env_make(key, &target, &env, err);
    if (r == 0)
        r = print(&env, values->json, err);
    wr_sdk_env_done(&env);
    if (key)
        explicit_bzero(key, strlen(key));
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    /* One that would be started here has no TCP listener: it could only be told that. */
    const struct wr_connect_opts connect = {
        .socket_path = in->common->socket_path, .data_dir = in->common->data_dir, .no_start = true};
    struct wr_transport *client = NULL;

    int r = wr_transport_connect(&connect, &client, err);
    if (r == -WR_E_UNAVAILABLE)
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       "no server listens on %.100s; start one with `warren serve`",
                       in->common->socket_path);
    if (r == 0)
        r = tell(in, client, err);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_env = {
    .name = "env",
    .summary = "Print the environment for E2B's SDKs",
    .usage = "[--team TEAM] [--json]",
    .details =
        "For a shell: eval \"$(warren env)\". The API key is kept in $XDG_CONFIG_HOME/warren/key.json\n"
        "(~/.config/warren/key.json), readable by you alone, and made when there is none that the\n"
        "server knows.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
