/*
 * Requests for forked interpreters (zygote_protocol.h, docs/internals/zygote.md): the agent of a
 * sandbox connects to the socket that the nest holds in the sandbox's network namespace and sends
 * one message. Whoever is not the sandbox's first process is turned away; what the first process
 * says is checked, counted, and passed on to the zygote. Nothing here waits for a sandbox.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define WR_CONTEXTS_MAX         1024 /* open requests of all sandboxes */
#define WR_CONTEXTS_PER_SANDBOX 4

struct wr_nest;
struct wr_child;

struct wr_context_call {
    int fd;            /* the connection; 0: free place */
    uint32_t child;    /* its place in the table of sandboxes */
    uint32_t sequence; /* at the zygote; 0: the message has not arrived */
    uint64_t deadline_ms;
};

struct wr_contexts {
    struct wr_context_call *calls; /* WR_CONTEXTS_MAX places, not inherited by forks */
    size_t used;                   /* places at or above were never used */
    size_t open;                   /* calls */
    size_t paused;                 /* sandboxes */
};

int wr_contexts_init(struct wr_contexts *contexts, struct wr_error *err) WR_MUST_CHECK;
/* Begins to look at a new sandbox's listener. */
void wr_contexts_watch(struct wr_nest *nest, struct wr_child *child);
/* Ends it, with all its open requests. */
void wr_contexts_unwatch(struct wr_nest *nest, struct wr_child *child);
/* Somebody connected to the sandbox at this place of the table. */
void wr_contexts_on_connect(struct wr_nest *nest, size_t child);
/* The connection at this place has a message, or has ended. */
void wr_contexts_on_message(struct wr_nest *nest, size_t call);
/* The zygote's answer; one that nobody waits for is dropped. */
void wr_contexts_answer(struct wr_nest *nest, uint32_t sequence, int result);
/* The same answer to everybody who waits for the zygote. */
void wr_contexts_answer_all(struct wr_nest *nest, int result);
/* Ends what took too long and lets paused sandboxes go on. False when a zygote did not answer in
 * time. */
bool wr_contexts_tick(struct wr_nest *nest) WR_MUST_CHECK;
/* Milliseconds until wr_contexts_tick() has something to do; -1: nothing. */
int wr_contexts_wait_ms(const struct wr_contexts *contexts);
