/* Requests of the nest: what is accepted stays within the sandbox's ids and the descriptors that
 * came. */
#include "fuzz.h"
#include "nest/zygote/request.h"

#define MAX_FDS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_zygote_request request = {0};
    struct wr_zygote_descriptors ret;
    int fds[MAX_FDS];

    /* The last byte, which a request has not, is the number of descriptors. */
    if (size == 0)
        return 0;
    size_t fd_count = data[size - 1] % (MAX_FDS + 1), len = size - 1;
    for (int i = 0; i < MAX_FDS; i++)
        fds[i] = 100 + i;
    memcpy(&request, data, len < sizeof(request) ? len : sizeof(request));
    if (wr_zygote_request_check(&request, (ssize_t)len, fds, fd_count, &ret) < 0)
        return 0;
    const struct wr_context_request *context = &request.context;
    HOLDS(len == sizeof(request) && request.sequence != 0);
    HOLDS(context->uid < WR_SLOT_IDS && context->gid < WR_SLOT_IDS);
    HOLDS(context->group_count <= WR_CONTEXT_MAX_GROUPS);
    HOLDS(context->cwd[0] == '/' && memchr(context->cwd, 0, sizeof(context->cwd)));
    size_t used = (size_t)(ret.tasks - fds) + request.v1_count;
    HOLDS(ret.pidfd == fds[0] && ret.stderr_fd == fds[3]);
    HOLDS(ret.v2_dir == (request.has_v2 ? fds[used] : -1));
    HOLDS(used + request.has_v2 == fd_count);
    return 0;
}
