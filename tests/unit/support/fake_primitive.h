/*
 * A primitive that does what a test has written down, one step for each call, and counts. The
 * struct lives longer than the primitive.
 */
#pragma once

#include <pthread.h>

#include "support/fake_clock.h"
#include "warren/primitive.h"

struct fake_step {
    const char *output;      /* JSON text; NULL: the input comes back */
    enum wr_code code;       /* an error instead */
    const char *msg;         /* its text; NULL: "scripted" */
    uint32_t retry_after_ms; /* of the error */
    uint64_t takes_ms;       /* the clock moves on by so much */
    const char *says;        /* emitted to the workflow's listener as standard output */
    bool blocks;             /* until fake_primitive_open(); honours token and time */
    bool ignores_end;        /* `blocks` that honours neither */
};

struct fake_primitive {
    const char *name;              /* NULL: "fake" */
    const struct fake_step *steps; /* borrowed; the last one goes on for ever. NULL: echo */
    size_t step_count;
    struct fake_clock *clock; /* for `takes_ms` */
    /* private: */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int gate; /* eventfd, readable once it is open */
    unsigned calls, running, most_running, frees;
    char last_input[512]; /* as text, cut */
};

#define FAKE_STEPS(...)                               \
    .steps = (const struct fake_step[]){__VA_ARGS__}, \
    .step_count = sizeof((const struct fake_step[]){__VA_ARGS__}) / sizeof(struct fake_step)

/* A primitive over it; one per struct. */
struct wr_primitive *fake_primitive_new(struct fake_primitive *fake);
/* After the primitive was freed. */
void fake_primitive_done(struct fake_primitive *fake);
/* Lets all blocked calls go on, and later ones pass. */
void fake_primitive_open(struct fake_primitive *fake);
/* Returns when so many calls are inside. */
void fake_primitive_wait_running(struct fake_primitive *fake, unsigned count);
unsigned fake_primitive_calls(struct fake_primitive *fake);
unsigned fake_primitive_most_running(struct fake_primitive *fake);
/* How often its ops' free ran: 0 or 1 in a correct program. */
unsigned fake_primitive_frees(struct fake_primitive *fake);
/* Of the last call; borrowed until the next one. */
const char *fake_primitive_last_input(struct fake_primitive *fake);
