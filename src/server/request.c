#include "server/request.h"

#include "base/str.h"

const char *wr_request_id(uint64_t number, char out[static WR_REQUEST_ID_LEN + 1])
{
    if (!wr_strformat(out, WR_REQUEST_ID_LEN + 1, "%016llx", (unsigned long long)number))
        out[0] = '\0';
    return out;
}
