/*
 * Which template has a zygote (docs/internals/zygote.md): the engine gives the nest a kit for it
 * when there is nothing else to do, gives another one when it has died, and stops trying when it
 * cannot be warmed.
 */
#pragma once

#include "base/error.h"
#include "loop/loop.h"

struct wr_driver;
struct wr_kit;
struct wr_native_template;
struct wr_nest_link;

enum wr_native_zygote_state {
    WR_NATIVE_ZYGOTE_WANTED = 0, /* at the next opportunity */
    WR_NATIVE_ZYGOTE_WARMING,
    WR_NATIVE_ZYGOTE_READY,
    WR_NATIVE_ZYGOTE_RESTING, /* before the next attempt */
    WR_NATIVE_ZYGOTE_NONE,    /* given up: `reason` */
};

struct wr_native_zygote {
    enum wr_native_zygote_state state;
    struct wr_kit *kit; /* while it lives */
    struct wr_timer rest;
    unsigned failures; /* warm-ups in a row */
    unsigned crashes;  /* of ready ones, in quick succession */
    uint64_t ready_ms;
    struct wr_error reason; /* of the last end */
};

/* Makes a kit and has the nest start one, if one is wanted and the nest lives. */
void wr_native_zygote_start(struct wr_native_template *t);
/* Ends the one that there is; another one is wanted. For other layers, another nest, or the end. */
void wr_native_zygote_drop(struct wr_native_template *t);
/* The nest has ended, and its zygote with it: nothing of that stays. */
void wr_native_zygote_nest_gone(struct wr_driver *driver, const struct wr_nest_link *nest);
struct wr_driver_zygote;
/* wr_driver_ops.zygote */
void wr_native_zygote_state(struct wr_driver *driver, const char *template_name,
                            struct wr_driver_zygote *ret);
/* The nest says what became of the zygote in that kit; `error` code 0: it is warmed. */
void wr_native_zygote_event(struct wr_driver *driver, const struct wr_nest_link *nest,
                            const char *id, const struct wr_error *error);
