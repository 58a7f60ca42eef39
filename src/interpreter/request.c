#include "interpreter/request.h"

#include "base/error.h"
#include "base/str.h"
#include "interpreter/limits.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define DETAILS_MAX 16

/* What a field may be; the messages are those of the reference's validator. */
enum field_kind {
    FIELD_STRING = 0,
    FIELD_STRINGS = 1, /* an object of strings */
};
struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    json_t **ret; /* borrowed; untouched when absent */
};

/* The list of what is wrong, written as it is found. */
struct details {
    struct wr_jw w;
    size_t count;
};

static void details_begin(struct details *details, struct wr_buf *out)
{
    *details = (struct details){0};
    wr_jw_init(&details->w, out);
    wr_jw_object(&details->w);
    wr_jw_key(&details->w, "detail");
    wr_jw_array(&details->w);
}

/* `name` and `member` may be NULL. */
static void details_add(struct details *details, const char *type, const char *name,
                        const char *member, const char *msg)
{
    struct wr_jw *w = &details->w;

    if (++details->count > DETAILS_MAX)
        return;
    wr_jw_object(w);
    wr_jw_kstr(w, "type", type);
    wr_jw_key(w, "loc");
    wr_jw_array(w);
    wr_jw_str(w, "body");
    if (name)
        wr_jw_str(w, name);
    if (member)
        wr_jw_strn(w, member, WR_MIN(strlen(member), (size_t)128));
    wr_jw_end(w);
    wr_jw_kstr(w, "msg", msg);
    wr_jw_end(w);
}

/* True when nothing was wrong; else the text is complete. */
static bool details_end(struct details *details, struct wr_buf *out)
{
    wr_jw_end(&details->w);
    wr_jw_end(&details->w);
    if (wr_jw_finish(&details->w) < 0)
        wr_buf_clear(out);
    return details->count == 0;
}

static void check_strings(const char *name, json_t *object, struct details *details)
{
    const char *member;
    json_t *value;

    if (!json_is_object(object)) {
        details_add(details, "dict_type", name, NULL, "Input should be a valid dictionary");
        return;
    }
    json_object_foreach(object, member, value) {
        if (!json_is_string(value))
            details_add(details, "string_type", name, member, "Input should be a valid string");
    }
}

static bool read_body(const char *body, size_t len, const struct field *fields, size_t count,
                      json_t **ret_json, struct wr_buf *out)
{
    struct details details;
    struct wr_error err;

    details_begin(&details, out);
    if (wr_json_parse_within(body, len, WR_INTERPRETER_VALUES, ret_json, &err) < 0) {
        details_add(&details, "json_invalid", NULL, NULL, err.msg);
        return details_end(&details, out);
    }
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(*ret_json, fields[i].name);
        if (!value && fields[i].required)
            details_add(&details, "missing", fields[i].name, NULL, "Field required");
        if (!value || (json_is_null(value) && !fields[i].required))
            continue;
        if (fields[i].kind == FIELD_STRINGS)
            check_strings(fields[i].name, value, &details);
        else if (!json_is_string(value))
            details_add(&details, "string_type", fields[i].name, NULL,
                        "Input should be a valid string");
        *fields[i].ret = value;
    }
    return details_end(&details, out);
}

/* Empty counts as absent. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && text[0] != '\0' ? text : NULL;
}

bool wr_execute_request_read(const char *body, size_t len, struct wr_execute_request *ret,
                             struct wr_buf *detail)
{
    json_t *code = NULL, *context_id = NULL, *language = NULL, *env_vars = NULL;
    const struct field fields[] = {
        {.name = "code", .kind = FIELD_STRING, .required = true, .ret = &code},
        {.name = "context_id", .kind = FIELD_STRING, .ret = &context_id},
        {.name = "language", .kind = FIELD_STRING, .ret = &language},
        {.name = "env_vars", .kind = FIELD_STRINGS, .ret = &env_vars},
    };

    *ret = (struct wr_execute_request){0};
    if (!read_body(body, len, fields, WR_ARRAY_SIZE(fields), &ret->json, detail))
        return false;
    ret->code = json_string_value(code);
    ret->code_len = json_string_length(code);
    ret->context_id = text_of(context_id);
    ret->language = text_of(language);
    ret->env_vars = env_vars;
    return true;
}

void wr_execute_request_done(struct wr_execute_request *request)
{
    wr_json_free_ptr(&request->json);
}

bool wr_context_options_read(const char *body, size_t len, struct wr_context_options *ret,
                             struct wr_buf *detail)
{
    json_t *cwd = NULL, *language = NULL;
    const struct field fields[] = {
        {.name = "cwd", .kind = FIELD_STRING, .ret = &cwd},
        {.name = "language", .kind = FIELD_STRING, .ret = &language},
    };

    *ret = (struct wr_context_options){0};
    /* A request without a body asks for the defaults. */
    if (!read_body(len > 0 ? body : "{}", len > 0 ? len : 2, fields, WR_ARRAY_SIZE(fields),
                   &ret->json, detail))
        return false;
    ret->cwd = text_of(cwd);
    ret->language = text_of(language);
    return true;
}

void wr_context_options_done(struct wr_context_options *options)
{
    wr_json_free_ptr(&options->json);
}
