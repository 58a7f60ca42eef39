#include "base/base.h"
#include "primitives/core/traceparent.h"
#include "test.h"

#define GOOD "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

TEST(reads_and_writes)
{
    struct wr_traceparent trace;
    char text[WR_TRACEPARENT_SIZE];
    CHECK(wr_traceparent_parse(GOOD, &trace));
    CHECK_INT(trace.trace_id[0], 0x4b);
    CHECK_INT(trace.trace_id[15], 0x36);
    CHECK_INT(trace.span_id[7], 0xb7);
    CHECK_INT(trace.flags, 1);
    wr_traceparent_write(&trace, text);
    CHECK_STR(text, GOOD);
    CHECK(wr_traceparent_parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", &trace));
    CHECK_INT(trace.flags, 0);
}

TEST(refuses_what_is_not_of_that_form)
{
    static const char *const bad[] = {
        "",
        "00",
        GOOD "0",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7--1",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4-3600f067aa0ba902b7-0101",
        "00-4bf92f3577b34da6a3ce929d0e0e47360-0f067aa0ba902b7-01",
    };
    struct wr_traceparent trace = {.flags = 77};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        if (wr_traceparent_parse(bad[i], &trace) || trace.flags != 77)
            wr_test_fail(__FILE__, __LINE__, "%s was accepted", bad[i]);
}

TEST(new_ones_differ)
{
    struct wr_traceparent a, b;
    static const uint8_t zeros[8];
    wr_traceparent_random(&a);
    wr_traceparent_random(&b);
    CHECK(memcmp(a.trace_id, b.trace_id, sizeof a.trace_id) != 0);
    CHECK(memcmp(a.span_id, zeros, sizeof zeros) == 0);
    CHECK_INT(a.flags, 1);
}
