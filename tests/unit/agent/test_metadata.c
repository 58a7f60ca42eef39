/* Metadata of files: from the fields of a request into attributes and back. */
#include <fcntl.h>
#include <sys/xattr.h>

#include "agent/fs/metadata.h"
#include "base/fd.h"
#include "test.h"

static int parse(const char *fields, struct wr_metadata *m, struct wr_error *err)
{
    static char text[32768];
    static struct wr_h1_head head;
    int status = 0;
    int len = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
    CHECK(len < (int)sizeof(text));
    CHECK_INT(wr_h1_parse_request(text, (size_t)len, &head, &status, err), len);
    *m = (struct wr_metadata){0};
    return wr_metadata_parse(&head, m, err);
}

static void refused(const char *fields, const char *why)
{
    struct wr_metadata m;
    struct wr_error err;
    CHECK_INT(parse(fields, &m, &err), -WR_E_INVALID_ARGUMENT);
    if (strncmp(err.msg, "invalid metadata: ", 18) != 0 || !strstr(err.msg, why))
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

TEST(limits)
{
    char field[8192], key[300];
    struct wr_metadata m;
    struct wr_error err;

    refused("X-Metadata-: x\r\n", "between 1 and 246");
    refused("X-Metadata-a: \xc3\xa4\r\n", "printable");
    refused("X-Metadata-a: a\tb\r\n", "printable");
    memset(key, 'k', sizeof(key));
    snprintf(field, sizeof(field), "X-Metadata-%.*s: x\r\n", WR_METADATA_KEY_MAX, key);
    CHECK_INT(parse(field, &m, &err), 0);
    CHECK_INT(m.count, 1);
    wr_metadata_done(&m);
    snprintf(field, sizeof(field), "X-Metadata-%.*s: x\r\n", WR_METADATA_KEY_MAX + 1, key);
    refused(field, "between 1 and 246");
    /* "user.e2b." + "a" + value */
    snprintf(field, sizeof(field), "X-Metadata-a: %0*d\r\n", 4096 - 10, 1);
    CHECK_INT(parse(field, &m, &err), 0);
    wr_metadata_done(&m);
    snprintf(field, sizeof(field), "X-Metadata-a: %0*d\r\n", 4096 - 9, 1);
    refused(field, "4096");
}

/* A file on a file system that has attributes; -1 without. */
static int attribute_file(void)
{
    char path[] = "wr-metadata-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(unlink(path), 0);
    if (fsetxattr(fd, "user.other", "1", 1, 0) < 0) {
        printf("# no extended attributes here\n");
        fd = wr_close(fd);
    }
    return fd;
}

static const char *shown_as(int fd, const char *path)
{
    static struct wr_buf out = WR_BUF(65536);
    struct wr_jw w;
    wr_buf_clear(&out);
    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    if (path)
        wr_metadata_write_at(path, &w);
    else
        wr_metadata_write(fd, &w);
    wr_jw_end(&w);
    CHECK_INT(wr_jw_finish(&w), 0);
    return wr_buf_cstr(&out);
}

static const char *shown(int fd)
{
    return shown_as(fd, NULL);
}

static void store(int fd, const char *fields)
{
    struct wr_metadata m;
    struct wr_error err;
    CHECK_INT(parse(fields, &m, &err), 0);
    CHECK_INT(wr_metadata_store(fd, &m, "file", &err), 0);
    wr_metadata_done(&m);
}

TEST(each_upload_replaces_all)
{
    int fd = attribute_file();
    if (fd < 0)
        return;
    CHECK_STR(shown(fd), "{}");
    store(fd, "X-Metadata-Author: me\r\nx-metadata-AUTHOR: you\r\nX-Metadata-empty:\r\n");
    const char *text = shown(fd);
    CHECK(strstr(text, "\"author\":\"me\"") && strstr(text, "\"empty\":\"\""));
    CHECK_INT(strlen(text), strlen("{\"metadata\":{\"author\":\"me\",\"empty\":\"\"}}"));
    store(fd, "X-Metadata-Other: 1\r\n");
    CHECK_STR(shown(fd), "{\"metadata\":{\"other\":\"1\"}}");
    store(fd, "Accept: x\r\n");
    CHECK_STR(shown(fd), "{}");
    CHECK_INT(fgetxattr(fd, "user.other", NULL, 0), 1); /* not ours */
    wr_close(fd);
}

/* Processes of the sandbox may write attributes too. */
TEST(by_path_a_link_has_its_own)
{
    char path[] = "wr-metadata-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(symlink(path, "wr-metadata-link"), 0);
    if (fsetxattr(fd, "user.e2b.a", "1", 1, 0) == 0) {
        CHECK_STR(shown_as(-1, path), "{\"metadata\":{\"a\":\"1\"}}");
        CHECK_STR(shown_as(-1, "wr-metadata-link"), "{}");
    }
    CHECK_INT(unlink(path), 0);
    CHECK_INT(unlink("wr-metadata-link"), 0);
    CHECK_STR(shown_as(-1, path), "{}");
    wr_close(fd);
}

TEST(foreign_values_do_no_harm)
{
    static char big[60000];
    int fd = attribute_file();
    if (fd < 0)
        return;
    CHECK_INT(fsetxattr(fd, "user.e2b.raw", "\xff\n", 2, 0), 0);
    CHECK_STR(shown(fd), "{\"metadata\":{\"raw\":\"\xef\xbf\xbd\\n\"}}");
    memset(big, 'x', sizeof(big));
    if (fsetxattr(fd, "user.e2b.raw", big, 5000, 0) == 0)
        CHECK_STR(shown(fd), "{}");
    wr_close(fd);
}
