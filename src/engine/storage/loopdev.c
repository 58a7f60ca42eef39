#include "engine/storage/loopdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"

/* Somebody else may take the free device that we were told of. */
#define ATTEMPTS   32
/* Makes direct I/O possible on disks with 4 KiB sectors; both file systems use 4 KiB blocks anyway.
 */
#define BLOCK_SIZE 4096

static bool fd_backs(int loop_fd, const struct stat *image)
{
    struct loop_info64 info;
    return ioctl(loop_fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == image->st_dev &&
           info.lo_inode == image->st_ino;
}

static int open_device(const char *path)
{
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

bool wr_loop_backs(const char *path, const struct stat *image)
{
    if (!wr_starts_with(path, "/dev/loop"))
        return false;
    wr_auto_close int fd = open_device(path);
    return fd >= 0 && fd_backs(fd, image);
}

/*
 * A sandbox's clone of the mount keeps the file system alive after our own mount point went away;
 * attaching the image a second time would then mean two writers.
 */
static int find_attached(const struct stat *image, char *ret_path)
{
    DIR *dir = opendir("/sys/block");
    int found = -1;
    if (!dir)
        return -1;
    for (struct dirent *e = readdir(dir); e && found < 0; e = readdir(dir)) {
        char path[WR_LOOP_PATH_MAX], backing[300];
        uint64_t number = 0;
        if (!wr_starts_with(e->d_name, "loop") ||
            wr_parse_u64(e->d_name + 4, 0, UINT32_MAX, &number) < 0)
            continue;
        /* Only attached ones have this; the others are not even opened. */
        snprintf(backing, sizeof(backing), "/sys/block/%s/loop/backing_file", e->d_name);
        if (access(backing, F_OK) < 0)
            continue;
        snprintf(path, sizeof(path), "/dev/loop%u", (unsigned)number);
        wr_auto_close int fd = open_device(path);
        if (fd >= 0 && fd_backs(fd, image)) {
            found = wr_steal_fd(&fd);
            memcpy(ret_path, path, sizeof(path));
        }
    }
    closedir(dir);
    return found;
}

int wr_loop_open(int image_fd, char ret_path[static WR_LOOP_PATH_MAX], int *ret_fd,
                 struct wr_error *err)
{
    struct stat image;
    if (fstat(image_fd, &image) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "stat the volume's image");
    int fd = find_attached(&image, ret_path);
    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    wr_auto_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) {
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                             "open /dev/loop-control: load the kernel module 'loop', or give the "
                             "volume as a directory on a file system with quotas");
    }
    for (int i = 0; i < ATTEMPTS; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "get a free loop device");
        char path[WR_LOOP_PATH_MAX];
        snprintf(path, sizeof(path), "/dev/loop%d", number);
        wr_auto_close int device = open_device(path);
        if (device < 0)
            return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "open %s", path);
        struct loop_config config = {
            .fd = (uint32_t)image_fd,
            .block_size = BLOCK_SIZE,
            .info = {.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO},
        };
        snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "warren");
        int r = ioctl(device, LOOP_CONFIGURE, &config);
        if (r < 0 && errno == EINVAL) {
            /* The file system of the image has no direct I/O. */
            config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
            r = ioctl(device, LOOP_CONFIGURE, &config);
        }
        if (r == 0) {
            memcpy(ret_path, path, sizeof(path));
            *ret_fd = wr_steal_fd(&device);
            return 0;
        }
        if (errno != EBUSY)
            return wr_fail_errno(err, WR_E_INTERNAL, "attach the volume's image to %s", path);
    }
    return wr_fail(err, WR_E_UNAVAILABLE, EBUSY, "get a free loop device: others took %d",
                   ATTEMPTS);
}
