/* Macros shared by every folder: attributes, sizes, ownership transfer. No functions, no policy. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WR_MUST_CHECK       __attribute__((warn_unused_result))
#define WR_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define WR_NORETURN         __attribute__((noreturn))
#define WR_UNUSED           __attribute__((unused))

#define WR_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define WR_MIN(a, b)     ((a) < (b) ? (a) : (b))
#define WR_MAX(a, b)     ((a) > (b) ? (a) : (b))

/* The struct that holds `member` at `ptr`. */
#define wr_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Runs `fn(&variable)` when the variable goes out of scope. Such variables are always initialised.
 */
#define WR_CLEANUP(fn) __attribute__((cleanup(fn)))

#define WR_KIB ((uint64_t)1 << 10)
#define WR_MIB ((uint64_t)1 << 20)
#define WR_GIB ((uint64_t)1 << 30)
