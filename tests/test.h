/*
 * Unit tests: TEST(name) { CHECK(...); } registers itself; the runner prints TAP for Meson and runs
 * every test in its own process, so that a crash fails one test and not the file.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wr_test {
    const char *name;
    void (*fn)(void);
};

#define TEST(test_name)                                                                           \
    static void test_##test_name(void);                                                           \
    static const struct wr_test wr_test_##test_name                                               \
        __attribute__((used, section("wr_tests"), aligned(sizeof(void *)))) = {#test_name,        \
                                                                               test_##test_name}; \
    static void test_##test_name(void)

/* Ends the running test as failed. */
void wr_test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

/* For tests that make namespaces, mounts or groups: without root they fail, they are not passed
 * over. */
#define NEEDS_ROOT()                                                  \
    do {                                                              \
        if (geteuid() != 0)                                           \
            wr_test_fail(__FILE__, __LINE__, "this test needs root"); \
    } while (0)

#define CHECK(cond)                                        \
    do {                                                   \
        if (!(cond))                                       \
            wr_test_fail(__FILE__, __LINE__, "%s", #cond); \
    } while (0)
#define CHECK_INT(actual, expected)                                                                \
    do {                                                                                           \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);                \
        if (actual_ != expected_)                                                                  \
            wr_test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, actual_, expected_); \
    } while (0)
#define CHECK_STR(actual, expected)                                               \
    do {                                                                          \
        const char *actual_ = (actual), *expected_ = (expected);                  \
        if (!actual_ || strcmp(actual_, expected_) != 0)                          \
            wr_test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #actual, \
                         actual_ ? actual_ : "(null)", expected_);                \
    } while (0)
