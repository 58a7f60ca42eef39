/* The body of a request for a sandbox: bounded, and the lenient rules accept what the strict ones
 * do. The first byte chooses the rules: 1 is version 2, 2 is lenient. */
#include "fuzz.h"
#include "server/api/create_request.h"

static bool accepts(const uint8_t *data, size_t size, bool v2, bool lenient)
{
    const struct wr_create_rules rules = {.v2 = v2, .lenient = lenient, .timeout_max_s = 86400};
    struct wr_create_request request;
    struct wr_error err = {0};

    int r = wr_create_request_parse((const char *)data, size, &rules, &request, &err);
    if (r < 0) {
        HOLDS(r == -err.code && err.msg[0]);
        return false;
    }
    HOLDS(request.spec.timeout_ms > 0 && request.spec.timeout_ms <= (uint64_t)86400 * 1000);
    HOLDS(request.template_text && request.template_text[0]);
    HOLDS(!request.spec.private_traffic || request.spec.secure);
    wr_create_request_done(&request);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool v2 = data[0] & 1, lenient = data[0] & 2;
    if (accepts(data + 1, size - 1, v2, lenient))
        HOLDS(accepts(data + 1, size - 1, v2, true));
    return 0;
}
