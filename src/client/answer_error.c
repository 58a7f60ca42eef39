#include "client/answer_error.h"

#include "base/str.h"
#include "json/jread.h"

static enum wr_code code_of_status(int status)
{
    static const struct {
        int status;
        enum wr_code code;
    } table[] = {
        {400, WR_E_INVALID_ARGUMENT},   {401, WR_E_UNAUTHENTICATED},
        {403, WR_E_PERMISSION_DENIED},  {404, WR_E_NOT_FOUND},
        {405, WR_E_UNIMPLEMENTED},      {409, WR_E_ALREADY_EXISTS},
        {413, WR_E_RESOURCE_EXHAUSTED}, {422, WR_E_INVALID_ARGUMENT},
        {429, WR_E_RESOURCE_EXHAUSTED}, {499, WR_E_CANCELED},
        {501, WR_E_UNIMPLEMENTED},      {502, WR_E_UNAVAILABLE},
        {503, WR_E_UNAVAILABLE},        {504, WR_E_DEADLINE_EXCEEDED},
        {507, WR_E_RESOURCE_EXHAUSTED},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(table); i++)
        if (table[i].status == status)
            return table[i].code;
    return status >= 500 ? WR_E_INTERNAL : WR_E_UNKNOWN;
}

/* "ok" is no error, whoever says so. */
static enum wr_code code_of_name(const char *name, enum wr_code otherwise)
{
    enum wr_code code = name ? wr_code_from_name(name) : otherwise;

    return code == WR_OK ? otherwise : code;
}

static const char *id_or_null(const json_t *value)
{
    const char *id = json_string_value(value);

    return id && wr_str_only(id, "abcdefghijklmnopqrstuvwxyz0123456789-", 1, 63) ? id : NULL;
}

void wr_answer_error(int http_status, const char *body, size_t len, struct wr_error *out)
{
    wr_auto_json *json = NULL;
    struct wr_error ignored = {0};
    enum wr_code code = code_of_status(http_status);
    const char *message = NULL, *absent = NULL;

    if (http_status < 400) {
        (void)wr_fail(out, WR_E_FAILED_PRECONDITION, 0,
                      "the server redirects (HTTP status %d); use the URL that this leads to",
                      http_status);
        return;
    }
    if (len > 0 && wr_json_parse(body, len, &json, &ignored) == 0) {
        code = code_of_name(json_string_value(json_object_get(json, "code")), code);
        message = json_string_value(json_object_get(json, "message"));
        /* The ingress answers so for a sandbox; with a port it means that nobody listens there. */
        if (http_status == 502 && !json_object_get(json, "port"))
            absent = id_or_null(json_object_get(json, "sandboxId"));
    }
    if (absent)
        (void)wr_fail(out, WR_E_NOT_FOUND, 0,
                      "there is no sandbox %.64s; `warren ps` lists those that run", absent);
    else if (message && *message)
        (void)wr_fail(out, code, 0, "%s", message);
    else
        (void)wr_fail(out, code, 0, "the server answered with HTTP status %d", http_status);
}

void wr_answer_error_text(int http_status, const char *body, size_t len, struct wr_error *out)
{
    size_t line = 0;

    while (line < len && (unsigned char)body[line] >= ' ' && body[line] != 0x7f)
        line++;
    /* A page or an object is no text for people. */
    if (http_status < 400 || line == 0 || strchr("<{[\"", body[0]) || !wr_utf8_valid(body, line))
        wr_answer_error(http_status, body, len, out);
    else
        (void)wr_fail(out, code_of_status(http_status), 0, "%.*s", (int)WR_MIN(line, (size_t)200),
                      body);
}
