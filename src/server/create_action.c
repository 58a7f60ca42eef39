#include "server/create_action.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/rand.h"
#include "json/jwrite.h"
#include "server/volume_mounts.h"

static void write_mounts(struct wr_jw *w, const struct wr_volume_mounts *mounts)
{
    wr_jw_key(w, "volumes");
    wr_jw_array(w);
    for (size_t i = 0; i < mounts->count; i++) {
        wr_jw_object(w);
        wr_jw_kstr(w, "volume", mounts->items[i].volume_id);
        wr_jw_kstr(w, "path", mounts->items[i].path);
        wr_jw_kbool(w, "readOnly", mounts->items[i].read_only);
        wr_jw_end(w);
    }
    wr_jw_end(w);
}

int wr_create_write(struct wr_buf *out, const struct wr_create_spec *spec,
                    const struct wr_create_tokens *tokens, bool blank)
{
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        {"cpuMillis", spec->limits.cpu_millis}, {"memoryBytes", spec->limits.memory_bytes},
        {"diskBytes", spec->limits.disk_bytes}, {"pids", spec->limits.pids},
        {"openFiles", spec->limits.open_files},
    };
    struct wr_jw w;
    const char *key;
    json_t *value;

    /* Without an id: the engine has sandboxes prepared under ids of its own. */
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, spec->snapshot ? "snapshot" : "template",
               spec->snapshot ? spec->snapshot->id : spec->template_name);
    for (size_t i = 0; i < WR_ARRAY_SIZE(limits); i++)
        if (limits[i].value)
            wr_jw_ku64(&w, limits[i].name, limits[i].value);
    if (spec->env_vars) {
        wr_jw_key(&w, "envVars");
        wr_jw_object(&w);
        json_object_foreach((json_t *)(uintptr_t)spec->env_vars, key, value)
            wr_jw_kstr(&w, key, json_string_value(value));
        wr_jw_end(&w);
    }
    if (*tokens->access)
        wr_jw_kstr(&w, "accessToken", tokens->access);
    if (*tokens->control)
        wr_jw_kstr(&w, "controlToken", tokens->control);
    if (blank)
        wr_jw_kbool(&w, "blank", true);
    if (!spec->content)
        wr_jw_kbool(&w, "egress", true);
    if (spec->mounts && spec->mounts->count > 0)
        write_mounts(&w, spec->mounts);
    if (spec->content)
        wr_jw_kbool(&w, "content", true);
    wr_jw_ku64(&w, "sockets", WR_CREATE_SOCKETS);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

void wr_create_token(char out[static WR_TOKEN_LEN + 1])
{
    unsigned char bytes[WR_TOKEN_LEN / 2];

    wr_random_bytes(bytes, sizeof bytes);
    wr_hex_encode(bytes, sizeof bytes, out);
    explicit_bzero(bytes, sizeof bytes);
}
