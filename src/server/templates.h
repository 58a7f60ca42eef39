/*
 * The server's copy of the engine's list of templates. Templates are files that other programs make
 * and remove, so the copy is only good for what the engine checks again: a name that it gives may
 * be gone, and what it does not have is asked for once more.
 */
#pragma once

#include "server/lifecycle.h"
#include "server/template_ref.h"
#include "template/store.h"

#define WR_TEMPLATES_MAX 4096

struct wr_template_entry {
    char name[64];
    char id[WR_TEMPLATE_ID_LEN + 1];
    char build_id[WR_BUILD_ID_LEN + 1];
    char aliases[WR_TEMPLATE_MAX_ALIASES][64]; /* further names; "" behind the last */
    uint64_t layers, size_bytes, created_ms;
    uint64_t cpu_millis, memory_bytes, disk_bytes; /* what its sandboxes get by default */
    char zygote[16], zygote_reason[128];           /* as the engine says; "" if it does not */
};

struct wr_templates {
    struct wr_template_entry *entries; /* owned; by name */
    size_t count, cap;
};

/* Accepts NULL, returns NULL. */
struct wr_templates *wr_templates_free(struct wr_templates *templates);
/* Asks the engine for the list, which replaces server->templates; `fn` is called once, later. */
int wr_templates_load(struct wr_server *server, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
/* The same for whom a failure does not matter: the list is asked for again when somebody needs it.
 */
void wr_templates_prepare(struct wr_server *server);
/* Whether `tag` names its one build: "", "default", or the build's ID. */
bool wr_templates_has_tag(const struct wr_template_entry *entry, const char *tag);
/* By name, else by alias, else by the ID of one of them; NULL when there is none. `templates` may
 * be NULL. */
const struct wr_template_entry *wr_templates_find(const struct wr_templates *templates,
                                                  const char *name_or_id);
/* Forgets the copy, which an answer of the engine has shown to be old. */
void wr_templates_forget(struct wr_server *server);
