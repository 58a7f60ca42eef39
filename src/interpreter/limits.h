/* Every limit of the interpreter, in one place. */
#pragma once

#include <stddef.h>

#define WR_INTERPRETER_CONNECTIONS 1024
#define WR_INTERPRETER_BODY        ((size_t)8 * 1024 * 1024) /* of an execution */
/* The same of a new context: a directory and a language. So little, because nobody has to show a
 * token here, and what is announced is set aside (WR_INTERPRETER_COLLECTED). */
#define WR_INTERPRETER_OPTIONS     ((size_t)16 * 1024)
#define WR_INTERPRETER_CONTEXTS    256
#define WR_INTERPRETER_QUEUE       512 /* executions that wait for one context */
#define WR_INTERPRETER_QUEUED                                           \
    ((size_t)64 * 1024 * 1024) /* bytes of code that wait, all together \
                                */
#define WR_INTERPRETER_COLLECTED \
    ((size_t)64 * 1024 * 1024)      /* bodies that are being received, all together */
#define WR_INTERPRETER_VALUES 65536 /* JSON values of one request */

#define WR_INTERPRETER_KEEPALIVE_MS 5000
#define WR_RUNNER_READY_MS          120000 /* start until READY: twenty at once on one CPU */
#define WR_RUNNER_ASSIGN_MS         10000  /* ASSIGN until READY */
#define WR_RENEWAL_MS               500    /* a renewal waits so long for runners */
#define WR_RUNNER_END_MS            5000   /* SIGKILL until it is taken for ended */
#define WR_RUNNER_PROBE_MS          1000   /* while a cell runs: is the process still there? */
#define WR_RUNNER_END_PROBE_MS      5      /* the same after SIGKILL */
#define WR_FORKS                    4      /* requests at a time, as many as the nest takes */
#define WR_FORK_RETRY_MS            20     /* the zygote is being started */
#define WR_FORK_PATIENCE_MS         10000  /* then a runner is started plainly */

/* One read of a runner's socket, and the most that is kept of it. A frame of text fits whole. */
#define WR_RUNNER_READ      ((size_t)64 * 1024)
#define WR_RUNNER_TEXT      ((size_t)64 * 1024) /* payload of a frame of text */
#define WR_RUNNER_SMALL     ((size_t)4096)      /* payload of READY, COUNT, DONE */
#define WR_RUNNER_PIPE_READ ((size_t)12 * 1024)
#define WR_RUNNER_COMPLAINT                                              \
    ((size_t)2048) /* kept of what it wrote while it started, for errors \
                    */

/* Text is held for a moment so that one print() is one message. */
#define WR_TEXT_FULL    ((size_t)16 * 1024) /* held text above this goes out */
#define WR_TEXT_MERGED  ((size_t)64 * 1024) /* the same while the client is slow */
#define WR_TEXT_SLOW    ((size_t)64 * 1024) /* unsent bytes that make a client slow */
#define WR_TEXT_LINE_MS 3                   /* text that ends with a line break */
#define WR_TEXT_OPEN_MS 50                  /* text that does not */
