#include "nest/boot_id.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"

/* In a tree that is mounted read-only on itself (mount_table.c): a bind of it is read-only as well,
 * and nobody inside can take it away from a checkpoint. */
#define FILE_PATH "/.warren/boot_id"
#define PROC_PATH "/proc/sys/kernel/random/boot_id"

/* A random UUID (version 4), as the kernel writes its own. */
static bool make_text(char *out, size_t cap)
{
    unsigned char b[16];

    wr_random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    return wr_strformat(out, cap,
                        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n",
                        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                        b[12], b[13], b[14], b[15]);
}

int wr_boot_id_write(struct wr_error *err)
{
    char text[48];
    wr_auto_close int fd =
        open(FILE_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0444);
    int rc = -EINVAL;

    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make %s", FILE_PATH);
    if (make_text(text, sizeof(text)))
        rc = wr_write_all(fd, text, strlen(text));
    if (rc == 0 && fchmod(fd, 0444) < 0) /* the umask is the engine's */
        rc = -errno;
    return rc < 0 ? wr_fail(err, wr_code_from_errno(-rc), -rc, "write %s", FILE_PATH) : 0;
}

int wr_boot_id_cover(struct wr_error *err)
{
    if (mount(FILE_PATH, PROC_PATH, NULL, MS_BIND, NULL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cover %s", PROC_PATH);
    return 0;
}
