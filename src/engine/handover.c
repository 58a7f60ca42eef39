#include "engine/handover.h"

#include <errno.h>

#include "base/fd.h"
#include "engine/action.h"
#include "json/jwrite.h"

#define MAX_TEXT 4096

/* Those for connections into the sandbox, and behind them those that take what leaves it. */
static int open_sockets(const struct wr_engine_sandbox *s, struct wr_handover *h,
                        size_t *ret_egress_count, struct wr_error *err)
{
    const struct wr_spec *spec = &s->spec;
    struct wr_egress_sockets egress = WR_EGRESS_SOCKETS_NONE;

    *ret_egress_count = 0;
    if (spec->sockets == 0 && !spec->egress)
        return 0;
    int rc = s->engine->ops->sockets(s->instance, spec->sockets, h->fds,
                                     spec->egress ? &egress : NULL, err);
    if (rc < 0)
        return rc;
    memcpy(h->fds + spec->sockets, egress.fds, egress.count * sizeof(*h->fds));
    *ret_egress_count = egress.count;
    h->fd_count = spec->sockets + egress.count;
    return 0;
}

static int write_text(const struct wr_engine_sandbox *s, size_t egress_count, struct wr_handover *h,
                      struct wr_error *err)
{
    struct wr_jw w;

    wr_jw_init(&w, &h->text);
    wr_jw_object(&w);
    wr_spec_write_public(&s->spec, &w);
    wr_jw_kstr(&w, "level", wr_level_name(WR_LEVEL_RUNNING));
    wr_jw_ku64(&w, "sockets", s->spec.sockets);
    wr_jw_ku64(&w, "egress", egress_count);
    wr_jw_kbool(&w, "booted", s->booted);
    wr_jw_end(&w);
    int rc = wr_jw_finish(&w);
    if (rc < 0 || !wr_buf_cstr(&h->text))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, rc ? -rc : ENOMEM, "write the reply");
    return 0;
}

int wr_handover_prepare(const struct wr_engine_sandbox *s, struct wr_handover *ret,
                        struct wr_error *err)
{
    struct wr_handover h = {.text = WR_BUF(MAX_TEXT)};
    size_t egress_count = 0;
    int rc = open_sockets(s, &h, &egress_count, err);

    if (rc == 0)
        rc = write_text(s, egress_count, &h, err);
    if (rc < 0)
        wr_handover_done(&h);
    else
        *ret = h;
    return rc;
}

const char *wr_handover_json(const struct wr_handover *h)
{
    return (const char *)wr_buf_ptr(&h->text); /* ended with NUL when it was written */
}

void wr_handover_done(struct wr_handover *h)
{
    for (size_t i = 0; i < h->fd_count; i++)
        wr_close(h->fds[i]);
    h->fd_count = 0;
    wr_buf_done(&h->text);
}
