#include "primitives/secure/secure_audit.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/rand.h"
#include "base/sha256.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"

/* Bytes of the code in a record: as JSON each may be six, and a line has a maximum. */
#define MAX_CODE ((size_t)128 * 1024)

void wr_secure_audit_begin(struct wr_secure_audit *audit)
{
    wr_random_id(audit->execution, sizeof audit->execution - 1);
}

static int set(json_t *record, const char *name, json_t *value, struct wr_error *err)
{
    return json_object_set_new(record, name, value) == 0
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit record");
}

/* What identifies the execution. */
static json_t *record_of(const struct wr_secure_audit *audit, const char *event,
                         struct wr_error *err)
{
    json_t *record =
        json_pack("{s:s, s:s, s:s, s:s}", "event", event, "execution", audit->execution,
                  "correlation_id", wr_workflow_correlation_id(audit->workflow), "workflow_id",
                  wr_workflow_id(audit->workflow));

    if (!record)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit record");
    return record;
}

/* Without the text of the lines, which is code. */
static json_t *violations_of(const struct wr_secure_audit *audit)
{
    const json_t *all = json_object_get(wr_value_json(audit->report), "violations");
    json_t *copy = all ? json_deep_copy(all) : json_array();
    size_t i;
    json_t *one;

    json_array_foreach(copy, i, one)
        (void)json_object_del(one, "text");
    return copy;
}

static int add_code_text(const struct wr_secure_audit *audit, json_t *record, struct wr_error *err)
{
    struct wr_redacted_sum sum = {0};
    wr_auto_json *whole = NULL;
    const char *text = audit->code;
    int r = 0;

    if (audit->redactor) {
        r = wr_redacted_text(audit->redactor, text, strlen(text), &whole, &sum, err);
        if (r < 0)
            return r;
        text = json_string_value(whole);
    }
    size_t kept = wr_utf8_prefix(text, MAX_CODE);
    r = set(record, "code", json_stringn(text, kept), err);
    if (r == 0 && text[kept])
        r = set(record, "code_truncated", json_true(), err);
    return r;
}

/* A record with all that is known of the code. */
static json_t *code_record(const struct wr_secure_audit *audit, const char *event,
                           struct wr_error *err)
{
    wr_auto_json *record = record_of(audit, event, err);
    char hash[2 * WR_SHA256_LEN + 1];

    if (!record)
        return NULL;
    wr_sha256_hex(audit->code, strlen(audit->code), hash);
    int r = set(record, "code_sha256", json_string(hash), err);
    if (r == 0)
        r = set(record, "code_length", json_integer((json_int_t)strlen(audit->code)), err);
    if (r == 0)
        r = set(record, "language", json_string(audit->language), err);
    if (r == 0)
        r = set(record, "violations", violations_of(audit), err);
    if (r == 0 && audit->with_code)
        r = add_code_text(audit, record, err);
    if (r < 0)
        return NULL;
    json_t *whole = record;
    record = NULL;
    return whole;
}

static int append(const struct wr_secure_audit *audit, json_t *record, struct wr_error *err)
{
    wr_auto_value *value = wr_value_of_json(record);

    return value ? wr_audit_append(audit->audit, value, err) : -err->code;
}

int wr_secure_audit_start(const struct wr_secure_audit *audit, struct wr_error *err)
{
    return audit->audit ? append(audit, code_record(audit, "start", err), err) : 0;
}

static int add_error(json_t *record, const struct wr_error *why, struct wr_error *err)
{
    int r = set(record, "error_code", json_string(wr_code_name((enum wr_code)why->code)), err);

    return r < 0 ? r : set(record, "error", json_string(why->msg), err);
}

int wr_secure_audit_refused(const struct wr_secure_audit *audit, const struct wr_error *why,
                            struct wr_error *err)
{
    if (!audit->audit)
        return 0;
    wr_auto_json *record = code_record(audit, "refused", err);
    if (!record)
        return -err->code;
    int r = add_error(record, why, err);
    return r < 0 ? r : append(audit, json_incref(record), err);
}

static int add_output(json_t *record, const json_t *output, struct wr_error *err)
{
    static const char *const members[] = {"sandbox_id", "execution_time_ms", "error_name",
                                          "cached"};
    const json_t *success = json_object_get(output, "success");
    int r = set(record, "outcome", json_string(json_is_false(success) ? "code_failed" : "success"),
                err);

    for (size_t i = 0; r == 0 && i < WR_ARRAY_SIZE(members); i++) {
        json_t *member = json_object_get(output, members[i]);
        if (member && !json_is_null(member))
            r = set(record, members[i], json_incref(member), err);
    }
    return r;
}

int wr_secure_audit_end(const struct wr_secure_audit *audit, const json_t *output,
                        const struct wr_error *failure, const struct wr_redacted_sum *sum,
                        struct wr_error *err)
{
    if (!audit->audit)
        return 0;
    wr_auto_json *record = record_of(audit, "end", err);
    if (!record)
        return -err->code;
    int r = set(record, "redactions", json_integer((json_int_t)sum->places), err);
    if (r == 0 && sum->limited > 0)
        r = set(record, "redaction_limits", json_integer((json_int_t)sum->limited), err);
    if (r == 0 && output)
        r = add_output(record, output, err);
    if (r == 0 && !output)
        r = set(record, "outcome", json_string("error"), err);
    if (r == 0 && !output)
        r = add_error(record, failure, err);
    return r < 0 ? r : append(audit, json_incref(record), err);
}
