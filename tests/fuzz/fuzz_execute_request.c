/* Bodies of POST /execute and POST /contexts: what is refused has a reason that is one JSON object,
 * what is accepted has its fields as texts. */
#include "fuzz.h"
#include "interpreter/request.h"
#include "json/jread.h"

static void check_detail(const struct wr_buf *detail)
{
    wr_auto_json *json = NULL;
    struct wr_error err;

    HOLDS(wr_json_parse(wr_buf_ptr(detail), detail->len, &json, &err) == 0);
    HOLDS(json_array_size(json_object_get(json, "detail")) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_buf detail = WR_BUF(WR_DETAIL_MAX);
    wr_auto_execute_request request = {0};
    wr_auto_context_options options = {0};

    if (wr_execute_request_read((const char *)data, size, &request, &detail)) {
        HOLDS(request.code && strlen(request.code) == request.code_len);
        HOLDS(!request.context_id || request.context_id[0] != '\0');
        HOLDS(!request.language || request.language[0] != '\0');
        HOLDS(!request.env_vars || json_is_object(request.env_vars));
    } else {
        check_detail(&detail);
    }
    wr_buf_clear(&detail);
    if (!wr_context_options_read((const char *)data, size, &options, &detail))
        check_detail(&detail);
    return 0;
}
