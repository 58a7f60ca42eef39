/*
 * What warren-zygote.so gives to the Python program of the zygote
 * (interpreter/runners/python/zygote.py; docs/internals/zygote.md). Loaded with ctypes.PyDLL, so
 * that the interpreter's lock is held. The loop is here because the parent must run no Python: each
 * object that it looked at is a page that it writes to, which is shared no longer, and a huge page
 * that is split for good.
 *
 * The library is compiled alone and linked against nothing. What it uses of the C library has no
 * version and exists in every libc (tests/unit/nest/zygote_symbols.py).
 */
#pragma once

#include "base/base.h"

#define WR_EXPORT __attribute__((visibility("default")))

#define WR_ZYGOTE_TEXT_SIZE 256

struct wr_zygote_setup {
    /* Python's own functions around a fork: PyOS_BeforeFork, PyOS_AfterFork_Child. The parent's,
       which would undo the first, is never called: the state before a fork is this process's only
       one. */
    void (*before_fork)(void);
    void (*after_fork_child)(void);
    /* State of a generator that every fork fills with randomness of the kernel; may be NULL. */
    void *random_state;
    size_t random_size;
};

/* As Python has it: PyObjectArenaAllocator. */
struct wr_arena_allocator {
    void *context;
    void *(*alloc)(void *context, size_t size);
    void (*free)(void *context, void *arena, size_t size);
};

/* Before anything is imported: makes of Python's allocator of arenas one that also notes them.
 * Python is given its own back before wr_zygote_prepare(). */
WR_EXPORT void wr_zygote_watch_arenas(struct wr_arena_allocator *allocator);

/*
 * Once, when everything is imported and warmed. Descriptors: 0, 1 and 2 open, 3 the nest's socket;
 * a further one is refused, because a directory among them would lead out of every sandbox. So is
 * a second thread. Needs /proc. Afterwards no memory has a file, the
 * kernel reaps children, and the process is not dumpable. 0, or a negative errno with the reason in
 * `text`.
 */
WR_EXPORT int wr_zygote_prepare(const struct wr_zygote_setup *setup,
                                char text[static WR_ZYGOTE_TEXT_SIZE]) WR_MUST_CHECK;

/* Tells the nest that the zygote is ready (0), or that it is not (negative errno) and why; `text`
 * is cut to its size and to printable ASCII. 0 or a negative errno. */
WR_EXPORT int wr_zygote_report(int result, const char *text) WR_MUST_CHECK;

/*
 * Answers requests. Returns 1 in a fork, inside its sandbox with fd 3 its socket; in the zygote a
 * negative errno when the nest is gone. Ends the process if it cannot come back from a sandbox's
 * pid namespace.
 */
WR_EXPORT int wr_zygote_serve(void) WR_MUST_CHECK;
