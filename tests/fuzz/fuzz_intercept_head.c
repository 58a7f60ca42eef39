/* A request's head that goes through the egress's proxy, and the value of a rule behind a NUL. */
#include "base/str.h"
#include "fuzz.h"
#include "server/egress/intercept_headers.h"

#define VALUE_MAX 512

static int find(const char *name, struct wr_buf *out, void *data, struct wr_error *err)
{
    (void)data;
    HOLDS(strlen(name) <= 128);
    if (name[0] == 'x')
        return wr_fail(err, WR_E_NOT_FOUND, 0, "none");
    return wr_buf_append_str(out, name[0] == 'c' ? "\1\r\n" : "s");
}

static void check_head(const char *text, size_t len, const struct wr_buf *fields)
{
    struct wr_h1_head head;
    struct wr_error err = {0};
    char said[WR_INTERCEPT_SAID_MAX + 1];
    int status = 0;

    if (wr_h1_parse_request(text, len, &head, &status, &err) <= 0)
        return;
    bool agrees = wr_intercept_host_agrees(&head, "api.test", 443, said);
    for (const char *p = said; *p; p++)
        HOLDS(*p >= 0x20 && *p < 0x7f);
    const struct wr_h1_header *host = wr_h1_find(&head, "Host");
    if (agrees && host)
        HOLDS(host->value_len >= 8 && wr_memcaseeq(host->value, 8, "api.test", 8));
    for (size_t i = 0; i < head.header_count; i++) {
        const struct wr_h1_header *field = &head.headers[i];
        if (wr_intercept_passes(&head, field, fields))
            HOLDS(!wr_memcaseeq(field->name, field->name_len, "Connection", 10) &&
                  (fields->len == 0 || !wr_memcaseeq(field->name, field->name_len, "X-Set", 5)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, '\0', size);
    size_t head_len = nul ? (size_t)(nul - data) : size;
    char value[VALUE_MAX + 1] = "plain";
    const struct wr_net_header header = {"X-Set", value};
    const struct wr_net_transform transform = {"api.test", &header, 1};
    const struct wr_intercept_secrets secrets = {find, NULL};
    wr_auto_buf fields = WR_BUF(WR_INTERCEPT_FIELDS_MAX);
    struct wr_error err = {0};
    const char *name = NULL, *found = NULL;
    size_t pos = 0, n = nul ? size - head_len - 1 : 0;

    fields.wipe = true;
    if (nul && n <= VALUE_MAX && !memchr(nul + 1, '\0', n)) {
        memcpy(value, nul + 1, n);
        value[n] = '\0';
    }
    if (wr_intercept_fields(&transform, true, &secrets, &fields, &err) == 0) {
        name = wr_intercept_next_field(&fields, &pos, &found);
        HOLDS(name && wr_streq(name, "X-Set") && !strpbrk(found, "\1\r\n"));
        HOLDS(!wr_intercept_next_field(&fields, &pos, &found));
    } else {
        wr_buf_clear(&fields);
    }
    check_head((const char *)data, head_len, &fields);
    return 0;
}
