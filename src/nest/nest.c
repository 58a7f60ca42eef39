#include "nest/nest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/volumes.h"

static int setup(struct wr_nest *nest, const int *fds, size_t fd_count, struct wr_error *err)
{
    struct stat st;

    if (fd_count < 1 || fd_count - 1 > WR_ARRAY_SIZE(nest->home_tasks))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "SETUP with %zu descriptors", fd_count);
    if (nest->seccomp)
        return 0; /* an engine that came back; filter and groups are the same */
    if (fstat(fds[0], &st) < 0 || st.st_size <= 0 ||
        st.st_size > BPF_MAXINSNS * (off_t)sizeof(struct sock_filter))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the seccomp program has a wrong size");
    void *program =
        mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (program == MAP_FAILED)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "allocate the seccomp program");
    /* A copy, not a mapping of the file: forks of the nest must stay dumpable
     * (docs/internals/checkpoint.md). */
    if (pread(fds[0], program, (size_t)st.st_size, 0) != st.st_size)
        return wr_fail_errno(err, WR_E_INTERNAL, "read the seccomp program");
    for (size_t i = 1; i < fd_count; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "keep a control group");
        nest->home_tasks[nest->home_count++] = fd;
    }
    nest->seccomp = program;
    nest->seccomp_count = (size_t)st.st_size / sizeof(struct sock_filter);
    return 0;
}

void wr_nest_answer_entry(struct wr_nest_answer *answer, const struct wr_child *child)
{
    struct wr_nest_entry *entry = &answer->reply.entries[answer->reply.count++];

    memcpy(entry->id, child->id, sizeof(entry->id));
    entry->slot = child->slot;
    entry->redirect = child->redirect;
}

static int list(struct wr_nest *nest, const struct wr_nest_request *request,
                struct wr_nest_answer *answer)
{
    const struct wr_child *page[WR_NEST_LIST_PAGE];
    int more = 0;
    size_t count = wr_children_page(&nest->children, request->id, page, WR_NEST_LIST_PAGE, &more);

    for (size_t i = 0; i < count; i++) {
        wr_nest_answer_entry(answer, page[i]);
        answer->fds[answer->fd_count++] = page[i]->pidfd;
        answer->fds[answer->fd_count++] = page[i]->ns_fd;
    }
    answer->reply.more = (uint32_t)more;
    return 0;
}

/* Overlay mount, v1 tasks files, v2 directory, `more`. */
static bool names_a_kit(const struct wr_nest_request *request, size_t fd_count, size_t more)
{
    return wr_id_valid(request->id) && request->slot < WR_SLOT_COUNT &&
           request->v1_count <= WR_CHILD_MAX_V1 && request->has_v2 <= 1 &&
           fd_count == (size_t)1 + request->v1_count + request->has_v2 + more;
}

static int spawn(struct wr_nest *nest, const struct wr_nest_request *request, char *payload,
                 const int *fds, size_t fd_count, struct wr_nest_answer *answer)
{
    struct wr_error *err = &answer->reply.error;

    if (!nest->seccomp)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "SPAWN before SETUP");
    if (!wr_volumes_are_sound(request) || !names_a_kit(request, fd_count, request->volume_count))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "SPAWN with a wrong id, slot, volume or number of descriptors");
    return wr_nest_spawn(nest, request, payload, fds, answer, err);
}

/* What listens in it is for agents that the nest starts; a restored one brings its own sockets. */
static int give_netns(struct wr_nest *nest, const struct wr_nest_request *request, size_t fd_count,
                      struct wr_nest_answer *answer)
{
    struct wr_netns netns = WR_NETNS_NONE;

    if (fd_count > 0)
        return wr_fail(&answer->reply.error, WR_E_INVALID_ARGUMENT, 0, "NETNS with descriptors");
    int rc = wr_netns_take(&nest->netns, &netns, &answer->reply.error);
    if (rc < 0)
        return rc;
    answer->fds[answer->fd_count++] = answer->owned_fd = wr_steal_fd(&netns.ns_fd);
    wr_netns_close(&netns);
    struct wr_nest_entry *entry = &answer->reply.entries[answer->reply.count++];
    memcpy(entry->id, request->id, sizeof(entry->id));
    entry->redirect = netns.redirect;
    if (netns.redirect != WR_NEST_REDIRECT_BOTH)
        answer->reply.no_redirect = nest->netns.no_redirect;
    return 0;
}

void wr_nest_handle(struct wr_nest *nest, const struct wr_nest_request *request, char *payload,
                    const int *fds, size_t fd_count, struct wr_nest_answer *answer)
{
    int rc = 0;

    *answer = (struct wr_nest_answer){
        .reply = {.magic = WR_NEST_MAGIC, .kind = request->kind, .sequence = request->sequence},
        .owned_fd = -1};
    switch ((enum wr_nest_kind)request->kind) {
    case WR_NEST_SETUP:
        rc = setup(nest, fds, fd_count, &answer->reply.error);
        break;
    case WR_NEST_SPAWN:
        rc = spawn(nest, request, payload, fds, fd_count, answer);
        break;
    case WR_NEST_LIST:
        rc = list(nest, request, answer);
        break;
    case WR_NEST_POOL:
        nest->netns.wanted = nest->netns.target = WR_MIN(request->count, WR_NETNS_POOL_MAX);
        answer->silent = true;
        break;
    case WR_NEST_ZYGOTE:
        if (fd_count == 0 || names_a_kit(request, fd_count, 1))
            wr_zygote_replace(nest, request, fds, fd_count);
        answer->silent = true;
        break;
    case WR_NEST_NETNS:
        rc = give_netns(nest, request, fd_count, answer);
        break;
    default:
        rc = wr_fail(&answer->reply.error, WR_E_UNIMPLEMENTED, 0, "unknown request %u",
                     request->kind);
    }
    if (rc < 0 && answer->reply.error.code == 0)
        (void)wr_fail(&answer->reply.error, WR_E_INTERNAL, 0, "the nest failed without a reason");
}
