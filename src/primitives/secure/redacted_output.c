#include "primitives/secure/redacted_output.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"

#define MAX_TEXT ((size_t)1 << 30)

/* Members of an executor's output that say again what others say. */
static const char *const derived[] = {"logs", "output", "log_lines", "error"};
/* Those that name something and are never redacted. */
static const char *const names[] = {"sandbox_id", "language"};

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (wr_streq(name, list[i]))
            return true;
    return false;
}

/* Of what both streams gave in their order a secret that lies across lines may be torn apart by
 * the other stream's. */
struct streams {
    json_t *safe[2]; /* borrowed: stdout and stderr as they go out */
    uint64_t bytes;  /* of both that are gone: what is mixed has to lose as many */
};

/* Lines of the text of a stream, with its prefix. */
static int add_lines(json_t *lines, const char *prefix, const json_t *text)
{
    const char *at = json_string_value(text), *end = at + json_string_length(text);
    wr_auto_buf line = WR_BUF(MAX_TEXT);

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        wr_buf_clear(&line);
        if (wr_buf_append_str(&line, prefix) < 0 || wr_buf_append(&line, at, len) < 0 ||
            json_array_append_new(lines, json_stringn(wr_buf_ptr(&line), line.len)) < 0)
            return -ENOMEM;
        at += len + 1;
    }
    return 0;
}

/* Both streams, one after the other, in the place of mixed lines. */
static json_t *lines_apart(const struct streams *streams)
{
    wr_auto_json *lines = json_array();

    if (!lines || add_lines(lines, "[stdout] ", streams->safe[0]) < 0 ||
        add_lines(lines, "[stderr] ", streams->safe[1]) < 0)
        return NULL;
    return wr_steal_ptr(&lines);
}

/* The same for a mixed text; `rest`, what followed it, may be NULL. */
static json_t *text_apart(const struct streams *streams, const json_t *rest)
{
    const json_t *const parts[] = {streams->safe[0], streams->safe[1], rest};
    wr_auto_buf text = WR_BUF(MAX_TEXT);

    for (size_t i = 0; i < WR_ARRAY_SIZE(parts); i++)
        if (parts[i] &&
            wr_buf_append(&text, json_string_value(parts[i]), json_string_length(parts[i])) < 0)
            return NULL;
    return json_stringn(text.len ? wr_buf_ptr(&text) : "", text.len);
}

/* What `output` has behind `logs`, redacted; NULL for nothing. */
static int rest_of_output(const struct wr_redactor *redactor, const json_t *output,
                          const json_t *logs, json_t **ret, struct wr_error *err)
{
    size_t len = json_string_length(output), before = json_string_length(logs);
    struct wr_redacted_sum ignored = {0};

    if (!json_is_string(logs) || before >= len ||
        memcmp(json_string_value(output), json_string_value(logs), before) != 0)
        return 0;
    return wr_redacted_text(redactor, json_string_value(output) + before, len - before, ret,
                            &ignored, err);
}

static int redact_member(const struct wr_redactor *redactor, const char *name, const json_t *output,
                         const struct streams *streams, json_t *into, struct wr_error *err)
{
    const json_t *member = json_object_get(output, name);
    bool mixed = streams->safe[0] && streams->safe[1] && !wr_streq(name, "error");
    struct wr_redacted_sum own = {0};
    wr_auto_json *rest = NULL;
    json_t *safe = NULL;

    int r = wr_redacted_value(redactor, member, &safe, &own, err);
    if (r == 0 && mixed && own.bytes < streams->bytes) {
        json_decref(safe);
        safe = NULL;
        if (wr_streq(name, "output"))
            r = rest_of_output(redactor, member, json_object_get(output, "logs"), &rest, err);
        if (r == 0)
            safe = json_is_array(member) ? lines_apart(streams) : text_apart(streams, rest);
    }
    if (r < 0)
        return r;
    return json_object_set_new(into, name, safe) == 0
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted output");
}

/* All but what is derived, which needs the streams first. */
static int redact_sources(const struct wr_redactor *redactor, const json_t *output, json_t *into,
                          struct streams *streams, struct wr_redacted_sum *sum,
                          struct wr_error *err)
{
    const char *name = NULL;
    json_t *member = NULL;

    json_object_foreach((json_t *)(uintptr_t)output, name, member) {
        struct wr_redacted_sum own = {0};
        json_t *safe = NULL;
        if (is_one_of(name, derived, WR_ARRAY_SIZE(derived)))
            continue;
        int r = 0;
        if (is_one_of(name, names, WR_ARRAY_SIZE(names)))
            safe = json_incref(member);
        else
            r = wr_redacted_value(redactor, member, &safe, &own, err);
        if (r < 0)
            return r;
        if (json_object_set_new(into, name, safe) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted output");
        if (json_is_string(safe) && (wr_streq(name, "stdout") || wr_streq(name, "stderr"))) {
            streams->safe[wr_streq(name, "stderr")] = safe;
            streams->bytes += own.bytes;
        }
        sum->places += own.places;
        sum->limited += own.limited;
    }
    return 0;
}

/* Without the streams what is derived is all there is. */
static int count_derived(const struct wr_redactor *redactor, const json_t *output,
                         struct wr_redacted_sum *sum, struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(derived); i++) {
        const json_t *member = json_object_get(output, derived[i]);
        wr_auto_json *safe = NULL;
        int r = member ? wr_redacted_value(redactor, member, &safe, sum, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int wr_redacted_output(const struct wr_redactor *redactor, const json_t *output, json_t **ret,
                       struct wr_redacted_sum *sum, struct wr_error *err)
{
    wr_auto_json *into = NULL;
    struct streams streams = {0};

    if (!json_is_object(output))
        return wr_redacted_value(redactor, output, ret, sum, err);
    into = json_object();
    if (!into)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted output");
    int r = redact_sources(redactor, output, into, &streams, sum, err);
    for (size_t i = 0; r == 0 && i < WR_ARRAY_SIZE(derived); i++) {
        if (json_object_get(output, derived[i]))
            r = redact_member(redactor, derived[i], output, &streams, into, err);
    }
    if (r == 0 && !(streams.safe[0] && streams.safe[1]))
        r = count_derived(redactor, output, sum, err);
    if (r < 0)
        return r;
    if (json_object_set_new(into, "redactions", json_integer((json_int_t)sum->places)) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted output");
    *ret = wr_steal_ptr(&into);
    return 0;
}

/* ---- events ---- */

int wr_redacted_events_init(struct wr_redacted_events *events, const struct wr_redactor *redactor,
                            struct wr_workflow *listener, struct wr_error *err)
{
    *events = (struct wr_redacted_events){.redactor = redactor, .listener = listener};
    for (size_t i = 0; i < WR_ARRAY_SIZE(events->streams); i++) {
        events->streams[i] = wr_redaction_new(redactor, err);
        if (!events->streams[i])
            return -err->code;
    }
    return 0;
}

void wr_redacted_events_done(struct wr_redacted_events *events)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(events->streams); i++)
        events->streams[i] = wr_redaction_free(events->streams[i]);
}

static int pass_text(struct wr_redacted_events *events, enum wr_code_event_kind kind,
                     const char *text, size_t len, bool last)
{
    struct wr_redaction *stream = events->streams[kind == WR_CODE_STDERR];
    wr_auto_free char *safe = NULL;
    size_t safe_len = 0;
    struct wr_error err = {0};

    if (wr_redaction_feed(stream, text, len, last, &safe, &safe_len, &err) < 0)
        return -1;
    if (safe_len == 0)
        return 0;
    const struct wr_code_event event = {.kind = kind, .text = safe, .text_len = safe_len};
    return wr_workflow_emit(events->listener, &event);
}

static int pass_value(const struct wr_redacted_events *events, const struct wr_code_event *event)
{
    struct wr_redacted_sum sum = {0};
    struct wr_error err = {0};
    json_t *safe = NULL;

    if (wr_redacted_value(events->redactor, wr_value_json(event->value), &safe, &sum, &err) < 0)
        return -1;
    wr_auto_value *value = wr_value_of_json(safe);
    struct wr_code_event passed = *event;
    passed.value = value;
    return wr_workflow_emit(events->listener, &passed);
}

int wr_redacted_events_pass(const struct wr_code_event *event, void *data)
{
    struct wr_redacted_events *events = data;
    bool is_text = event->kind == WR_CODE_STDOUT || event->kind == WR_CODE_STDERR;

    if (events->failed)
        return -1;
    int r = is_text ? pass_text(events, event->kind, event->text, event->text_len, false)
                    : pass_value(events, event);
    /* The code is given up: what it prints cannot be shown. */
    events->failed = r != 0;
    return r;
}

void wr_redacted_events_finish(struct wr_redacted_events *events)
{
    if (events->failed)
        return;
    (void)pass_text(events, WR_CODE_STDOUT, NULL, 0, true);
    (void)pass_text(events, WR_CODE_STDERR, NULL, 0, true);
}
