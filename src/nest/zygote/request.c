#include "nest/zygote/request.h"

#include <errno.h>
#include <stdbool.h>

/* One descriptor of PID 1 and the three of the agent. */
#define FIXED_FDS 4

static bool ids_valid(const struct wr_context_request *context)
{
    /* Every sandbox has WR_SLOT_IDS ids; others have no meaning inside. */
    bool valid = context->uid < WR_SLOT_IDS && context->gid < WR_SLOT_IDS &&
                 context->group_count <= WR_CONTEXT_MAX_GROUPS;

    for (uint32_t i = 0; valid && i < context->group_count; i++)
        valid = context->groups[i] < WR_SLOT_IDS;
    return valid;
}

/* Absolute, and it ends inside its array. */
static bool cwd_valid(const char cwd[static WR_CONTEXT_MAX_CWD])
{
    size_t len = 0;

    while (len < WR_CONTEXT_MAX_CWD && cwd[len])
        len++;
    return cwd[0] == '/' && len < WR_CONTEXT_MAX_CWD;
}

int wr_zygote_request_check(const struct wr_zygote_request *request, ssize_t len, const int *fds,
                            size_t fd_count, struct wr_zygote_descriptors *ret)
{
    if (len != (ssize_t)sizeof(*request) || request->magic != WR_CONTEXT_MAGIC ||
        request->sequence == 0)
        return -EPROTO;
    if (request->has_v2 > 1 || fd_count != (size_t)FIXED_FDS + request->v1_count + request->has_v2)
        return -EINVAL;
    if (request->context.magic != WR_CONTEXT_MAGIC || !ids_valid(&request->context) ||
        !cwd_valid(request->context.cwd))
        return -EINVAL;
    if (request->context.language != WR_ZYGOTE_PYTHON)
        return -ENOTSUP;
    *ret = (struct wr_zygote_descriptors){
        .pidfd = fds[0],
        .socket_fd = fds[1],
        .stdout_fd = fds[2],
        .stderr_fd = fds[3],
        .tasks = fds + FIXED_FDS,
        .v2_dir = request->has_v2 ? fds[FIXED_FDS + request->v1_count] : -1,
    };
    return 0;
}
