#include <errno.h>

#include "nest/zygote/request.h"
#include "test.h"

static const int fds[] = {10, 11, 12, 13, 20, 21, 30};

static struct wr_zygote_request good(void)
{
    return (struct wr_zygote_request){
        .magic = WR_CONTEXT_MAGIC,
        .sequence = 7,
        .v1_count = 2,
        .has_v2 = 1,
        .context = {.magic = WR_CONTEXT_MAGIC,
                    .language = WR_ZYGOTE_PYTHON,
                    .uid = 1000,
                    .gid = 1000,
                    .group_count = 2,
                    .groups = {1000, WR_SLOT_IDS - 1},
                    .cwd = "/home/user"},
    };
}

static int check(const struct wr_zygote_request *request, size_t fd_count)
{
    struct wr_zygote_descriptors ret;

    return wr_zygote_request_check(request, sizeof(*request), fds, fd_count, &ret);
}

TEST(descriptors_are_told_apart)
{
    struct wr_zygote_request request = good();
    struct wr_zygote_descriptors ret;

    CHECK_INT(wr_zygote_request_check(&request, sizeof(request), fds, 7, &ret), 0);
    CHECK_INT(ret.pidfd, 10);
    CHECK_INT(ret.socket_fd, 11);
    CHECK_INT(ret.stdout_fd, 12);
    CHECK_INT(ret.stderr_fd, 13);
    CHECK_INT(ret.tasks[0], 20);
    CHECK_INT(ret.tasks[1], 21);
    CHECK_INT(ret.v2_dir, 30);

    request.v1_count = 0;
    request.has_v2 = 0;
    CHECK_INT(wr_zygote_request_check(&request, sizeof(request), fds, 4, &ret), 0);
    CHECK_INT(ret.v2_dir, -1);
}

TEST(what_is_no_request_is_told_from_a_wrong_one)
{
    struct wr_zygote_request request = good();
    struct wr_zygote_descriptors ret;

    CHECK_INT(wr_zygote_request_check(&request, sizeof(request) - 1, fds, 7, &ret), -EPROTO);
    request.magic ^= 1;
    CHECK_INT(check(&request, 7), -EPROTO);
    request = good();
    request.sequence = 0; /* the number of reports */
    CHECK_INT(check(&request, 7), -EPROTO);
}

TEST(the_number_of_descriptors_must_fit)
{
    struct wr_zygote_request request = good();

    CHECK_INT(check(&request, 6), -EINVAL);
    request.v1_count = 255;
    CHECK_INT(check(&request, 7), -EINVAL);
    request = good();
    request.has_v2 = 2;
    CHECK_INT(check(&request, 7), -EINVAL);
}

TEST(ids_are_those_of_a_sandbox)
{
    struct wr_zygote_request request = good();

    request.context.uid = WR_SLOT_IDS;
    CHECK_INT(check(&request, 7), -EINVAL);
    request = good();
    request.context.gid = UINT32_MAX;
    CHECK_INT(check(&request, 7), -EINVAL);
    request = good();
    request.context.groups[1] = WR_SLOT_IDS;
    CHECK_INT(check(&request, 7), -EINVAL);
    request = good();
    request.context.group_count = WR_CONTEXT_MAX_GROUPS + 1;
    CHECK_INT(check(&request, 7), -EINVAL);
}

TEST(the_directory_is_absolute_and_ends)
{
    struct wr_zygote_request request = good();

    request.context.cwd[0] = 'h';
    CHECK_INT(check(&request, 7), -EINVAL);
    memset(request.context.cwd, '/', sizeof(request.context.cwd));
    CHECK_INT(check(&request, 7), -EINVAL);
    request.context.cwd[sizeof(request.context.cwd) - 1] = '\0';
    CHECK_INT(check(&request, 7), 0);
}

TEST(another_language_is_refused)
{
    struct wr_zygote_request request = good();

    request.context.language = WR_ZYGOTE_PYTHON + 1;
    CHECK_INT(check(&request, 7), -ENOTSUP);
    request = good();
    request.context.magic = 0;
    CHECK_INT(check(&request, 7), -EINVAL);
}
