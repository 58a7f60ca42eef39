#include "interpreter/frame_writer.h"

#include <errno.h>
#include <string.h>

#include "interpreter/frame.h"
#include "json/jwrite.h"

/* The header's length is filled in by end(). */
static int begin(struct wr_jw *w, struct wr_buf *out, enum wr_frame_kind kind)
{
    const char header[WR_FRAME_HEADER] = {0, 0, 0, 0, (char)kind, 0, 0, 0};
    int rc = wr_buf_append(out, header, sizeof(header));

    wr_jw_init(w, out);
    w->ascii = true;
    w->error = rc;
    wr_jw_object(w);
    return rc;
}

static int end(struct wr_jw *w, struct wr_buf *out, size_t start)
{
    wr_jw_end(w);
    int rc = wr_jw_finish(w);
    size_t len = out->len - start;

    if (rc == 0 && len > WR_FRAME_HEADER + WR_FRAME_MAX)
        rc = -ENOBUFS;
    if (rc < 0) {
        out->len = start; /* nothing of it stays */
        return rc;
    }
    unsigned char *header = (unsigned char *)wr_buf_ptr(out) + start;
    len -= WR_FRAME_HEADER;
    for (unsigned i = 0; i < 4; i++)
        header[i] = (unsigned char)(len >> (8 * i));
    return 0;
}

static void put_surroundings(struct wr_jw *w, const struct wr_env *env, uint64_t cpu_millis)
{
    wr_jw_key(w, "env");
    wr_jw_object(w);
    for (size_t i = 0; i < env->count; i++) {
        const char *value = strchr(env->vars[i], '=');
        /* The writer takes names with NUL; the name is short and the value may be long. */
        wr_jw_keyn(w, env->vars[i], (size_t)(value - env->vars[i]));
        wr_jw_str(w, value + 1);
    }
    wr_jw_end(w);
    wr_jw_ku64(w, "cpu_millis", cpu_millis);
}

int wr_frame_init(struct wr_buf *out, const char *cwd, const struct wr_env *env,
                  uint64_t cpu_millis)
{
    size_t start = out->len;
    struct wr_jw w;

    if (begin(&w, out, WR_FRAME_INIT) == 0) {
        wr_jw_kstr(&w, "cwd", cwd);
        put_surroundings(&w, env, cpu_millis);
    }
    return end(&w, out, start);
}

int wr_frame_assign(struct wr_buf *out, const struct wr_env *env, uint64_t cpu_millis)
{
    size_t start = out->len;
    struct wr_jw w;

    if (begin(&w, out, WR_FRAME_ASSIGN) == 0)
        put_surroundings(&w, env, cpu_millis);
    return end(&w, out, start);
}

static void put_variables(struct wr_jw *w, const json_t *env)
{
    const char *name;
    json_t *value;
    /* jansson's iteration takes a non-const object and does not change it. */
    json_t *vars = (json_t *)(uintptr_t)env; // NOLINT(performance-no-int-to-ptr)

    wr_jw_key(w, "env");
    wr_jw_object(w);
    json_object_foreach(vars, name, value)
        wr_jw_kstr(w, name, json_string_value(value));
    wr_jw_end(w);
}

int wr_frame_renew(struct wr_buf *out, const json_t *env)
{
    size_t start = out->len;
    struct wr_jw w;

    if (begin(&w, out, WR_FRAME_RENEW) == 0)
        put_variables(&w, env);
    return end(&w, out, start);
}

int wr_frame_execute(struct wr_buf *out, const char *code, size_t code_len, const json_t *env,
                     bool silent)
{
    size_t start = out->len;
    struct wr_jw w;

    if (begin(&w, out, WR_FRAME_EXECUTE) == 0) {
        wr_jw_key(&w, "code");
        wr_jw_strn(&w, code, code_len);
        put_variables(&w, env);
        wr_jw_kbool(&w, "silent", silent);
    }
    return end(&w, out, start);
}
