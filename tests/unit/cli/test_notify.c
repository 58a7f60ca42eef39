#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "cli/notify.h"
#include "test.h"

static struct wr_error err;

/* What the service manager has; `name` as in the variable. */
static int manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    CHECK(bind(fd, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
    CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
    return fd;
}

static void tell(int manager_fd)
{
    char text[64] = "";
    int fd = -1;

    CHECK_INT(wr_notify_open(&fd, &err), 0);
    CHECK(fd >= 0);
    CHECK(!getenv("NOTIFY_SOCKET"));
    CHECK_INT(wr_write_all(fd, WR_NOTIFY_READY, strlen(WR_NOTIFY_READY)), 0);
    CHECK_INT(recv(manager_fd, text, sizeof text, 0), 7);
    CHECK_STR(text, "READY=1");
    close(fd);
}

TEST(path)
{
    char dir[] = "/tmp/warren-notify-XXXXXX", path[64];

    CHECK(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/s", dir);
    int fd = manager(path);
    tell(fd);
    close(fd);
    CHECK(unlink(path) == 0 && rmdir(dir) == 0);
}

TEST(abstract)
{
    char name[64];

    (void)snprintf(name, sizeof name, "@warren-notify-%d", (int)getpid());
    int fd = manager(name);
    tell(fd);
    close(fd);
}

TEST(without_manager)
{
    int fd = -1;

    CHECK(unsetenv("NOTIFY_SOCKET") == 0);
    CHECK_INT(wr_notify_open(&fd, &err), 0);
    CHECK_INT(fd, -1);
    CHECK(setenv("NOTIFY_SOCKET", "", 1) == 0);
    CHECK_INT(wr_notify_open(&fd, &err), 0);
    CHECK_INT(fd, -1);
}

TEST(wrong_names)
{
    int fd = -1;

    CHECK(setenv("NOTIFY_SOCKET", "relative", 1) == 0);
    CHECK_INT(wr_notify_open(&fd, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(setenv("NOTIFY_SOCKET", "/nonexistent/s", 1) == 0);
    CHECK_INT(wr_notify_open(&fd, &err), -WR_E_UNAVAILABLE);
    CHECK_INT(fd, -1);
}
