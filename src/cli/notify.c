#include "cli/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

int wr_notify_open(int *ret_fd, struct wr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;

    if (len == 0)
        return 0;
    if ((path[0] != '/' && path[0] != '@') || len >= sizeof address.sun_path)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "NOTIFY_SOCKET: \"%.60s\" is not a socket's path", path);
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* abstract */
    wr_auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
        return wr_fail_errno(err, WR_E_UNAVAILABLE, "NOTIFY_SOCKET: connect to %.60s", path);
    if (unsetenv("NOTIFY_SOCKET") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "NOTIFY_SOCKET");
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}
