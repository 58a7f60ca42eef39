/*
 * This process's memory as /proc/self/maps lists it. Works while the memory that is listed is being
 * replaced, the program's own included: it allocates nothing but pages of its own.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

struct wr_mapping {
    uintptr_t start;
    uintptr_t end;
    int prot; /* PROT_* */
    bool shared;
    bool file;
};

/*
 * Calls visit for each mapping, in the order of addresses, until one returns a value other than 0,
 * which is passed on. The list is the one from before the first call. 0 or a negative errno: -E2BIG
 * when the text is over 1 MiB.
 */
int wr_mappings_walk(int (*visit)(const struct wr_mapping *map, void *arg), void *arg)
    WR_MUST_CHECK;

/* Reads at most max - 1 bytes of a file of /proc and ends them with NUL. The length, -E2BIG when
 * the file is longer, or a negative errno. */
ssize_t wr_proc_read(const char *path, char *text, size_t max) WR_MUST_CHECK;
/* A number in hexadecimal or decimal; moves *text behind it. A missing number is 0 and moves
 * nothing. */
uint64_t wr_scan_number(const char **text, unsigned base);
