#include <fcntl.h>

#include "log/log.h"
#include "server/egress/decision_log.h"
#include "test.h"

/* Lines of the log would be read as TAP. */
static struct wr_net_log *quiet_log(struct wr_net_counters *counters)
{
    wr_log_init("test", WR_LOG_ERROR);
    struct wr_net_log *log = wr_net_log_new("abcdefghij0123456789", counters);
    CHECK(log);
    return log;
}

static void add(struct wr_net_log *log, enum wr_net_event_kind kind, enum wr_net_verdict verdict)
{
    const struct wr_net_event event = {
        .kind = kind, .verdict = verdict, .bytes_out = 10, .bytes_in = 100};
    wr_net_log_add(log, &event);
}

TEST(numbers_and_reading)
{
    struct wr_net_counters counters = {0};
    struct wr_net_log *log = quiet_log(&counters);
    CHECK(!wr_net_log_next(log, 0));
    CHECK_INT(wr_net_log_last(log), 0);
    for (int i = 0; i < 20; i++)
        add(log, WR_NET_EVENT_DNS, WR_NET_ALLOW);
    CHECK_INT(wr_net_log_last(log), 20);
    uint64_t after = 0;
    for (uint64_t i = 1; i <= 20; i++) {
        const struct wr_net_event *event = wr_net_log_next(log, after);
        CHECK(event);
        CHECK_INT(event->number, i);
        CHECK(event->at_ms > 0);
        after = event->number;
    }
    CHECK(!wr_net_log_next(log, 20) && !wr_net_log_next(log, 21) &&
          !wr_net_log_next(log, UINT64_MAX));
    wr_net_log_free(log);
}

TEST(the_oldest_are_overwritten)
{
    struct wr_net_counters counters = {0};
    struct wr_net_log *log = quiet_log(&counters);
    for (int i = 0; i < WR_NET_LOG_EVENTS; i++)
        add(log, WR_NET_EVENT_DENY, WR_NET_DENY);
    CHECK_INT(wr_net_log_next(log, 0)->number, 1);
    CHECK_INT(counters.events_dropped, 0);
    /* The first one was read. */
    add(log, WR_NET_EVENT_DENY, WR_NET_DENY);
    CHECK_INT(counters.events_dropped, 0);
    add(log, WR_NET_EVENT_DENY, WR_NET_DENY);
    CHECK_INT(counters.events_dropped, 1);
    CHECK_INT(wr_net_log_counters(log)->events_dropped, 1);
    CHECK_INT(wr_net_log_next(log, 0)->number, 3);
    CHECK_INT(wr_net_log_next(log, WR_NET_LOG_EVENTS + 1)->number, WR_NET_LOG_EVENTS + 2);
    for (int i = 0; i < 3 * WR_NET_LOG_EVENTS; i++)
        add(log, WR_NET_EVENT_DENY, WR_NET_DENY);
    uint64_t last = wr_net_log_last(log), after = 0, seen = 0;
    for (const struct wr_net_event *event; (event = wr_net_log_next(log, after)); seen++)
        after = event->number;
    CHECK_INT(seen, WR_NET_LOG_EVENTS);
    CHECK_INT(after, last);
    wr_net_log_free(log);
}

TEST(counters_of_all_and_of_one)
{
    struct wr_net_counters counters = {0};
    struct wr_net_log *a = quiet_log(&counters), *b = quiet_log(&counters);
    add(a, WR_NET_EVENT_OPEN, WR_NET_ALLOW);
    add(a, WR_NET_EVENT_OPEN, WR_NET_ALLOW);
    add(a, WR_NET_EVENT_CLOSE, WR_NET_ALLOW);
    add(b, WR_NET_EVENT_OPEN, WR_NET_ALLOW);
    add(b, WR_NET_EVENT_DENY, WR_NET_DENY);
    add(b, WR_NET_EVENT_DNS, WR_NET_ALLOW);
    add(b, WR_NET_EVENT_DNS, WR_NET_DENY);
    add(b, WR_NET_EVENT_HTTP, WR_NET_ALLOW);
    add(b, WR_NET_EVENT_HTTP, WR_NET_DENY);
    const struct wr_net_counters *of_a = wr_net_log_counters(a), *of_b = wr_net_log_counters(b);
    CHECK_INT(of_a->connections_allowed, 2);
    CHECK_INT(of_a->connections_open, 1);
    CHECK_INT(of_a->bytes_out, 10);
    CHECK_INT(of_a->connections_denied, 0);
    CHECK_INT(of_b->bytes_in, 0);
    CHECK_INT(counters.connections_allowed, 3);
    CHECK_INT(counters.connections_denied, 1);
    CHECK_INT(counters.connections_open, 2);
    CHECK_INT(counters.names_allowed, 1);
    CHECK_INT(counters.names_denied, 1);
    CHECK_INT(counters.requests_allowed, 1);
    CHECK_INT(counters.requests_denied, 1);
    CHECK_INT(counters.bytes_out, 10);
    CHECK_INT(counters.bytes_in, 100);
    /* What was open ends with its sandbox. */
    wr_net_log_free(a);
    CHECK_INT(counters.connections_open, 1);
    CHECK_INT(counters.connections_allowed, 3);
    wr_net_log_free(b);
    CHECK_INT(counters.connections_open, 0);
    CHECK(!wr_net_log_free(NULL));
}

TEST(texts_of_a_sandbox_are_made_plain)
{
    struct wr_net_counters counters = {0};
    struct wr_net_log *log = quiet_log(&counters);
    struct wr_net_event event = {.kind = WR_NET_EVENT_DNS,
                                 .name = "a\x1b[31m\n\xc3\xa4",
                                 .detail = "TXT\r\x7f",
                                 .rule = "default"};
    wr_net_log_add(log, &event);
    const struct wr_net_event *kept = wr_net_log_next(log, 0);
    CHECK_STR(kept->name, "a?[31m???");
    CHECK_STR(kept->detail, "TXT??");
    CHECK_STR(kept->rule, "default");
    wr_net_log_free(log);
}

TEST(names_of_kinds)
{
    CHECK_STR(wr_net_event_kind_name(WR_NET_EVENT_OPEN), "open");
    CHECK_STR(wr_net_event_kind_name(WR_NET_EVENT_CLOSE), "close");
    CHECK_STR(wr_net_event_kind_name(WR_NET_EVENT_DENY), "deny");
    CHECK_STR(wr_net_event_kind_name(WR_NET_EVENT_DNS), "dns");
    CHECK_STR(wr_net_event_kind_name(WR_NET_EVENT_HTTP), "http");
}

/* Denied events reach the log at level info, others do not; not more than a few per second. */
TEST(lines_of_the_structured_log)
{
    struct wr_net_counters counters = {0};
    static char text[65536];
    char path[] = "/tmp/decision_log.XXXXXX";
    int saved = dup(STDERR_FILENO), file = mkstemp(path);
    CHECK(saved >= 0 && file >= 0 && unlink(path) == 0);
    wr_log_init("test", WR_LOG_INFO);
    struct wr_net_log *log = wr_net_log_new("abcdefghij0123456789", &counters);
    struct wr_net_event event = {.kind = WR_NET_EVENT_DENY,
                                 .name = "evil.test",
                                 .rule = "denyOut[0] 0.0.0.0/0",
                                 .port = 443};
    CHECK(dup2(file, STDERR_FILENO) >= 0);
    for (int i = 0; i < 100; i++)
        wr_net_log_add(log, &event);
    event.verdict = WR_NET_ALLOW;
    event.kind = WR_NET_EVENT_OPEN;
    wr_net_log_add(log, &event);
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    CHECK(got > 0);
    text[got] = '\0';
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    /* A second may begin between two of them. */
    CHECK(lines >= 10 && lines <= 21);
    CHECK(strstr(text, "evil.test") && strstr(text, "verdict=deny") && strstr(text, "port=443"));
    CHECK(!strstr(text, "verdict=allow"));
    close(saved);
    close(file);
    wr_net_log_free(log);
}
