#include "nest/hosts.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"

#define HOSTS_PATH "/etc/hosts"

/* Opening the template's file for writing would copy it. */
static bool says_something(void)
{
    struct stat st;

    return lstat(HOSTS_PATH, &st) == 0 && (st.st_size > 0 || !S_ISREG(st.st_mode));
}

void wr_hosts_ensure(const char *name)
{
    char text[192];

    if (says_something() || !wr_strformat(text, sizeof(text),
                                          "127.0.0.1\tlocalhost\n"
                                          "::1\tlocalhost ip6-localhost ip6-loopback\n"
                                          "127.0.1.1\t%s\n",
                                          name))
        return;
    wr_auto_close int fd =
        open(HOSTS_PATH, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd >= 0)
        (void)!wr_write_all(fd, text, strlen(text));
}
