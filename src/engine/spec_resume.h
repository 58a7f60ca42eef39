/* What RESUME and ROLLBACK say about a sandbox that goes on. */
#pragma once

#include "engine/spec_secrets.h"

struct wr_spec_resume {
    const char *id;       /* borrowed from the payload */
    const char *snapshot; /* of a ROLLBACK; the same */
    bool memory;          /* of a RESUME */
    uint64_t sockets;
    bool egress;
    struct wr_spec_secrets secrets; /* for a boot */
};

/* Ids are not looked at. */
int wr_spec_read_resume(const json_t *payload, struct wr_spec_resume *ret, struct wr_error *err)
    WR_MUST_CHECK;
int wr_spec_read_rollback(const json_t *payload, struct wr_spec_resume *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Puts what was read into the sandbox's specification, which is untouched on failure. */
int wr_spec_take_resume(struct wr_spec *spec, const struct wr_spec_resume *resume,
                        struct wr_error *err) WR_MUST_CHECK;
