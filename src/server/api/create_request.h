/* The body of POST /sandboxes and POST /v2/sandboxes: parsed, every field bounded, unknown fields
 * refused by name. */
#pragma once

#include "server/create_action.h"
#include "server/template_ref.h"

struct wr_create_rules {
    bool v2;      /* always secure; 300 s by default instead of 15 s */
    bool lenient; /* unknown fields are ignored */
    uint32_t timeout_max_s;
};

struct wr_create_request {
    json_t *body;     /* owned; the specification points into it */
    json_t *settings; /* owned; the specification has it */
    json_t *env;      /* owned: variables that the specification has instead of the body's; NULL */
    struct wr_template_ref template_ref;
    const char *template_text;   /* as the client wrote it */
    const json_t *volume_mounts; /* an array, or NULL; see volume_mounts.h */
    struct wr_create_spec spec;  /* without template_name, team_id, mounts and request */
};

int wr_create_request_parse(const char *text, size_t len, const struct wr_create_rules *rules,
                            struct wr_create_request *ret, struct wr_error *err) WR_MUST_CHECK;
void wr_create_request_done(struct wr_create_request *request);

/* A lifetime: "Timeout must be greater than 0" (unless `zero_ok`), "Timeout cannot be greater than
 * <N> hours". */
int wr_timeout_check(int64_t timeout_s, bool zero_ok, uint32_t max_s, struct wr_error *err)
    WR_MUST_CHECK;
