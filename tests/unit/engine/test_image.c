/* Images made up of plain files. Mounting one for a slot needs root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/snapshot/image.h"
#include "test.h"

/* magic, length, and that many bytes */
#define USERNS "MAGICMAG\x04\x00\x00\x00old."

static char top[64];
static int top_fd = -1, image_fd = -1;
static struct wr_error err;

static void setup(void)
{
    snprintf(top, sizeof(top), "/tmp/test_image.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(mkdirat(top_fd, "saved", 0700) == 0 && mkdirat(top_fd, "scratch", 0700) == 0);
    image_fd = openat(top_fd, "saved", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(image_fd >= 0);
}

static void teardown(void)
{
    wr_close(image_fd);
    wr_close(top_fd);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

static void put(const char *name, const void *data, size_t len)
{
    CHECK_INT(wr_file_replace(image_fd, name, data, len, 0600, WR_VOLATILE), 0);
}

static void put_image(void)
{
    put("userns-10.img", USERNS, sizeof(USERNS) - 1);
    put("pages-1.img", "memory", 6);
    put("core-1.img", "", 0);
    put("dump.log", "Error: /home/user/secret", 24);
}

static struct wr_manifest measure(void)
{
    struct wr_manifest m = {.file_count = 0};
    if (wr_image_measure(image_fd, &m, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return m;
}

TEST(an_image_is_measured)
{
    setup();
    put_image();
    struct wr_manifest m = measure();
    CHECK_INT(m.file_count, 3);
    CHECK_STR(m.files[0].name, "core-1.img");
    CHECK_STR(m.files[1].name, "pages-1.img");
    CHECK_STR(m.files[2].name, "userns-10.img");
    CHECK_INT(m.files[1].size_bytes, 6);
    CHECK_INT(m.image_bytes, 6 + sizeof(USERNS) - 1);
    /* XXH3 of 128 bits of nothing. */
    CHECK_STR(m.files[0].hash, "99aa06d3014798d86001c324468d497f");
    CHECK(faccessat(image_fd, "dump.log", F_OK, 0) < 0);
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), 0);
    /* Again over what there was. */
    put("more.img", "x", 1);
    CHECK_INT(wr_image_measure(image_fd, &m, &err), 0);
    CHECK_INT(m.file_count, 4);
    wr_manifest_done(&m);
    teardown();
}

/* Longer than what is read at once, and by streaming the same as in one piece. */
TEST(large_files_are_summed_whole)
{
    static char data[700001];
    char hash[WR_HASH_LEN + 1];
    setup();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 31 + i / 999);
    put("pages-1.img", data, sizeof(data));
    struct wr_manifest m = measure();
    wr_hash_bytes(data, sizeof(data), hash);
    CHECK_STR(m.files[0].hash, hash);
    CHECK_INT(m.files[0].size_bytes, sizeof(data));
    wr_manifest_done(&m);
    teardown();
}

TEST(damage_is_named)
{
    setup();
    put_image();
    struct wr_manifest m = measure();
    put("extra.img", "nobody reads it", 15);
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), 0);
    put("pages-1.img", "memorz", 6);
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), -WR_E_DATA_LOSS);
    CHECK(strstr(err.msg, "pages-1.img"));
    put("pages-1.img", "memory.", 7);
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), -WR_E_DATA_LOSS);
    CHECK_INT(unlinkat(image_fd, "pages-1.img", 0), 0);
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), -WR_E_DATA_LOSS);
    CHECK(strstr(err.msg, "pages-1.img"));
    /* A link to the right bytes is no file of the image. */
    CHECK_INT(wr_file_replace(top_fd, "elsewhere", "memory", 6, 0600, WR_VOLATILE), 0);
    CHECK_INT(symlinkat("../elsewhere", image_fd, "pages-1.img"), 0);
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), -WR_E_DATA_LOSS);
    CHECK_INT(unlinkat(image_fd, "pages-1.img", 0), 0);
    put("pages-1.img", "memory", 6);
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), 0);
    wr_manifest_done(&m);
    teardown();
}

TEST(what_cannot_be_measured)
{
    struct wr_manifest m = {.file_count = 7};
    char name[80];
    setup();
    put_image();
    CHECK_INT(mkdirat(image_fd, "directory", 0700), 0);
    CHECK_INT(wr_image_measure(image_fd, &m, &err), -WR_E_INTERNAL);
    CHECK(strstr(err.msg, "directory"));
    CHECK_INT(unlinkat(image_fd, "directory", AT_REMOVEDIR), 0);
    CHECK_INT(mknodat(image_fd, "fifo", S_IFIFO | 0600, 0), 0);
    CHECK_INT(wr_image_measure(image_fd, &m, &err), -WR_E_INTERNAL);
    CHECK_INT(unlinkat(image_fd, "fifo", 0), 0);
    snprintf(name, sizeof(name), "%064d", 0);
    put(name, "x", 1);
    CHECK_INT(wr_image_measure(image_fd, &m, &err), -WR_E_INTERNAL);
    CHECK_INT(m.file_count, 7); /* untouched */
    teardown();
}

/* A mount namespace of this test's process. */
static void own_mounts(void)
{
    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

TEST(an_image_for_another_slot)
{
    static const char maps[] = "\x0a\x0a\x08\x00\x10\xc0\x9a\x0c\x18\x80\x80\x04"
                               "\x12\x0a\x08\x00\x10\xc0\x9a\x0c\x18\x80\x80\x04";
    wr_auto_buf text = WR_BUF(4096);
    struct stat a, b;
    int made = -1;
    setup();
    put_image();
    struct wr_manifest m = measure();
    /* From before the namespace was made: what an engine hands to a job. */
    int scratch = openat(top_fd, "scratch", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    own_mounts();
    if (wr_image_for_slot(image_fd, &m, 200000, scratch, &made, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(wr_file_read(made, "userns-10.img", &text), 0);
    CHECK_INT(text.len, 12 + sizeof(maps) - 1);
    CHECK(memcmp(wr_buf_ptr(&text), "MAGICMAG", 8) == 0);
    CHECK_INT(wr_buf_ptr(&text)[8], sizeof(maps) - 1);
    CHECK(memcmp(wr_buf_ptr(&text) + 12, maps, sizeof(maps) - 1) == 0);
    /* The rest is the same, not a copy. */
    CHECK(fstatat(made, "pages-1.img", &a, 0) == 0 && fstatat(image_fd, "pages-1.img", &b, 0) == 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    /* What was saved has not changed. */
    CHECK_INT(wr_image_check(image_fd, &m, WR_IMAGE_ALL, &err), 0);
    wr_close(made);
    wr_close(scratch);
    CHECK_INT(umount2(top, MNT_DETACH) < 0 ? errno : 0, EINVAL); /* nothing is mounted there */
    char path[96];
    snprintf(path, sizeof(path), "%s/scratch/image", top);
    CHECK_INT(umount2(path, MNT_DETACH), 0);
    wr_manifest_done(&m);
    teardown();
}

TEST(images_without_one_user_namespace)
{
    int made = -1;
    setup();
    put("pages-1.img", "memory", 6);
    struct wr_manifest m = measure();
    int scratch = openat(top_fd, "scratch", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    own_mounts();
    CHECK_INT(wr_image_for_slot(image_fd, &m, 200000, scratch, &made, &err), -WR_E_DATA_LOSS);
    put("userns-1.img", USERNS, sizeof(USERNS) - 1);
    put("userns-2.img", USERNS, sizeof(USERNS) - 1);
    CHECK_INT(wr_image_measure(image_fd, &m, &err), 0);
    CHECK_INT(wr_image_for_slot(image_fd, &m, 200000, scratch, &made, &err), -WR_E_DATA_LOSS);
    CHECK_INT(unlinkat(image_fd, "userns-2.img", 0), 0);
    /* A length that is not that of the file. */
    put("userns-1.img", USERNS "x", sizeof(USERNS));
    CHECK_INT(wr_image_measure(image_fd, &m, &err), 0);
    CHECK_INT(wr_image_for_slot(image_fd, &m, 200000, scratch, &made, &err), -WR_E_DATA_LOSS);
    put("userns-1.img", "MAGIC", 5);
    CHECK_INT(wr_image_measure(image_fd, &m, &err), 0);
    CHECK_INT(wr_image_for_slot(image_fd, &m, 200000, scratch, &made, &err), -WR_E_DATA_LOSS);
    CHECK_INT(made, -1);
    wr_close(scratch);
    wr_manifest_done(&m);
    teardown();
}
