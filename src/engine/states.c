#include "engine/states.h"

#include "json/jwrite.h"

#define BIT(action)   (1u << (action))
#define WITH_INSTANCE (BIT(WR_ACTION_STATS) | BIT(WR_ACTION_SOCKETS) | BIT(WR_ACTION_EGRESS))
#define PERSISTENCE   (BIT(WR_ACTION_PAUSE) | BIT(WR_ACTION_RESUME) | BIT(WR_ACTION_ROLLBACK))

static const struct {
    const char *is;   /* "sandbox x is ...", and what helps */
    uint32_t actions; /* that it takes, besides KILL */
    enum wr_code refusal;
    enum wr_level level;
    bool busy; /* the level is that of op.before */
    bool listed;
} states[] = {
    [WR_SANDBOX_STARTING] = {.is = "starting; try again in a moment",
                             .refusal = WR_E_UNAVAILABLE,
                             .busy = true},
    [WR_SANDBOX_RUNNING] = {.is = "running",
                            .actions = WITH_INSTANCE | PERSISTENCE | BIT(WR_ACTION_SNAPSHOT) |
                                       BIT(WR_ACTION_ASSIGN),
                            .level = WR_LEVEL_RUNNING,
                            .listed = true},
    [WR_SANDBOX_FROZEN] = {.is = "paused; resume it first",
                           .actions = PERSISTENCE | BIT(WR_ACTION_SNAPSHOT) | BIT(WR_ACTION_STATS),
                           .refusal = WR_E_FAILED_PRECONDITION,
                           .level = WR_LEVEL_FROZEN,
                           .listed = true},
    [WR_SANDBOX_PAGED] = {.is = "paused; resume it first",
                          .actions = PERSISTENCE | BIT(WR_ACTION_SNAPSHOT) | BIT(WR_ACTION_STATS),
                          .refusal = WR_E_FAILED_PRECONDITION,
                          .level = WR_LEVEL_PAGED,
                          .listed = true},
    [WR_SANDBOX_HIBERNATED] = {.is = "hibernated; resume it first",
                               .actions = PERSISTENCE,
                               .refusal = WR_E_FAILED_PRECONDITION,
                               .level = WR_LEVEL_HIBERNATED,
                               .listed = true},
    [WR_SANDBOX_HIBERNATING] = {.is = "being hibernated; try again in a moment",
                                .refusal = WR_E_UNAVAILABLE,
                                .busy = true,
                                .listed = true},
    [WR_SANDBOX_RESUMING] = {.is = "being resumed; try again in a moment",
                             .refusal = WR_E_UNAVAILABLE,
                             .busy = true,
                             .listed = true},
    [WR_SANDBOX_SNAPSHOTTING] = {.is = "being written to a snapshot; try again in a moment",
                                 .actions = WITH_INSTANCE,
                                 .refusal = WR_E_UNAVAILABLE,
                                 .busy = true,
                                 .listed = true},
    [WR_SANDBOX_ROLLING_BACK] = {.is = "being rolled back; try again in a moment",
                                 .refusal = WR_E_UNAVAILABLE,
                                 .busy = true,
                                 .listed = true},
    [WR_SANDBOX_STOPPING] = {.is = "being removed", .refusal = WR_E_UNAVAILABLE, .busy = true},
};

int wr_state_check(const struct wr_engine_sandbox *s, enum wr_action action, struct wr_error *err)
{
    if (action == WR_ACTION_KILL || (states[s->state].actions & BIT(action)))
        return 0;
    return wr_fail(err, states[s->state].refusal, 0, "sandbox %s is %s", s->spec.id,
                   states[s->state].is);
}

bool wr_state_busy(enum wr_sandbox_state state)
{
    return states[state].busy;
}

bool wr_state_listed(enum wr_sandbox_state state)
{
    return states[state].listed;
}

enum wr_level wr_state_level(const struct wr_engine_sandbox *s)
{
    return states[states[s->state].busy ? s->op.before : s->state].level;
}

void wr_state_write(const struct wr_engine_sandbox *s, struct wr_jw *w)
{
    const enum wr_level level = wr_state_level(s);

    wr_jw_kstr(w, "level", wr_level_name(level));
    if (level == WR_LEVEL_RUNNING)
        return;
    wr_jw_kbool(w, "memory", s->pause.memory);
    wr_jw_ku64(w, "pausedMs", s->pause.paused_ms);
    wr_jw_ku64(w, "bytes", level == WR_LEVEL_HIBERNATED ? s->pause.bytes : 0);
    wr_jw_kstr(w, "reason", s->pause.reason[0] ? s->pause.reason : NULL);
}
