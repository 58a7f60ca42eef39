/* Multipart bodies in one piece and in all others. */
#include "agent/fs/disposition.h"
#include "agent/fs/multipart.h"
#include "base/alloc.h"
#include "test.h"

/* What the parser said, as text: "[name|filename]" or "[name]", content, "." at its end. */
struct record {
    struct wr_buf text;
    int pieces;
    int refuse; /* on_part fails with this code */
};

static int on_part(const struct wr_multipart_part *part, void *data, struct wr_error *err)
{
    struct record *r = data;
    if (r->refuse)
        return wr_fail(err, (enum wr_code)r->refuse, 0, "refused");
    CHECK_INT(wr_buf_printf(&r->text, part->has_filename ? "[%s|%s]" : "[%s]", part->name,
                            part->filename),
              0);
    return 0;
}

static int on_data(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    struct record *r = data;
    (void)err;
    CHECK(len > 0);
    r->pieces++;
    CHECK_INT(wr_buf_append(&r->text, bytes, len), 0);
    return 0;
}

static int on_part_end(void *data, struct wr_error *err)
{
    struct record *r = data;
    (void)err;
    CHECK_INT(wr_buf_append_char(&r->text, '.'), 0);
    return 0;
}

static const struct wr_multipart_ops ops = {on_part, on_data, on_part_end};

/* 0 or -WR_E_*; `cut`: bytes of the first piece, the rest comes in one; 0: byte by byte. */
static int parse(const char *boundary, const char *body, size_t len, size_t cut, struct record *r,
                 struct wr_error *err)
{
    struct wr_multipart m;
    char type[128];
    int rc = 0;

    snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
    CHECK_INT(wr_multipart_init(&m, type, &ops, r, err), 0);
    for (size_t at = 0; rc == 0 && at < len;) {
        size_t n = cut == 0 ? 1 : at == 0 && cut < len ? cut : len - at;
        /* A copy without slack, so that a look past its end is seen. */
        char *piece = malloc(n);
        CHECK(piece != NULL);
        memcpy(piece, body + at, n);
        rc = wr_multipart_feed(&m, piece, n, err);
        free(piece);
        at += n;
    }
    if (rc == 0)
        rc = wr_multipart_finish(&m, err);
    wr_multipart_done(&m);
    return rc;
}

/* The same outcome however the body is cut. NULL: it is refused. */
static void expect(const char *boundary, const char *body, size_t len, const char *text)
{
    for (size_t cut = 0; cut <= len; cut++) {
        struct record r = {.text = WR_BUF(65536)};
        struct wr_error err = {0};
        int rc = parse(boundary, body, len, cut, &r, &err);
        if (!text && rc != -WR_E_INVALID_ARGUMENT)
            wr_test_fail(__FILE__, __LINE__, "accepted, cut at %zu: %s", cut, body);
        if (text && (rc != 0 || strcmp(wr_buf_cstr(&r.text), text) != 0))
            wr_test_fail(__FILE__, __LINE__, "cut at %zu: %d %s '%s' is not '%s'", cut, rc, err.msg,
                         wr_buf_cstr(&r.text), text);
        wr_buf_done(&r.text);
    }
}

#define EXPECT(body, text) expect("b", body, sizeof(body) - 1, text)
#define FILE_PART(params)  "Content-Disposition: form-data; " params "\r\n\r\n"

TEST(parts)
{
    EXPECT("--b\r\n" FILE_PART("name=\"file\"; filename=\"a.txt\"") "hello\r\n--b--\r\n",
           "[file|a.txt]hello.");
    EXPECT(
        "--b\r\n" FILE_PART(
            "name=\"file\"; filename=\"/x/y/a.txt\"") "one\r\n--b\r\n"
                                                      "content-disposition:form-data;name=other\r\nContent-Type: text/plain\r\n\r\n"
                                                      "two\r\n--b--",
        "[file|/x/y/a.txt]one.[other]two.");
    EXPECT("--b\r\n" FILE_PART("name=file") "\r\n--b--", "[file]."); /* empty */
    EXPECT("--b\r\n\r\nx\r\n--b--", "[]x.");                         /* no fields at all */
    EXPECT("--b--\r\n", "");                                         /* no parts */
    EXPECT("preamble\r\nmore\r\n--b \t\r\n" FILE_PART("name=file") "x\r\n--b-- \r\nepilogue\r\n--b",
           "[file]x.");
}

TEST(what_looks_like_a_boundary_is_content)
{
    EXPECT("--b\r\n" FILE_PART("name=file") "--b\r\r\n\r\n-\r\n--\r\n--c\n--b\r\n--b--",
           "[file]--b\r\r\n\r\n-\r\n--\r\n--c\n--b.");
    EXPECT("--b\r\n" FILE_PART("name=file") "x\r\n--bc\r\n--b-\r\n--b-c\r\n--b--",
           "[file]x\r\n--bc\r\n--b-\r\n--b-c.");
    EXPECT("--b\r\n" FILE_PART("name=file") "\r\n\r\n--b--", "[file]\r\n.");
    expect("--", "----\r\n" FILE_PART("name=file") "\r\n--\r\n------",
           strlen("----\r\n" FILE_PART("name=file") "\r\n--\r\n------"), "[file]\r\n--.");
}

TEST(what_is_malformed_is_refused)
{
    EXPECT("", NULL);
    EXPECT("no boundary", NULL);
    EXPECT("--b\r\n" FILE_PART("name=file") "cut", NULL);
    EXPECT("--b\r\n" FILE_PART("name=file") "cut\r\n--b", NULL);
    EXPECT("--b\r\n" FILE_PART("name=file") "cut\r\n--b-", NULL);
    EXPECT("--b\r\n" FILE_PART("name=file") "cut\r\n--b\r\n", NULL);
    EXPECT("--b\r\nContent-Disposition: form-data; name=file\r\n", NULL);
    EXPECT("--b\n" FILE_PART("name=file") "x\r\n--b--", NULL);
    EXPECT("--b x\r\n" FILE_PART("name=file") "x\r\n--b--", NULL);
    EXPECT("--b\rx" FILE_PART("name=file") "x\r\n--b--", NULL);
    EXPECT("--b\r\nno colon\r\n\r\nx\r\n--b--", NULL);
    EXPECT("--b\r\n: no name\r\n\r\nx\r\n--b--", NULL);
    EXPECT("--b\r\nA: x\r\n folded\r\n\r\nx\r\n--b--", NULL);
    EXPECT("--b\r\nA: x\nB: y\r\n\r\nx\r\n--b--", NULL);
    EXPECT("--b\r\nA: x\0\r\n\r\nx\r\n--b--", NULL);
    EXPECT("--b\r\nContent-Disposition: form-data; name=file\r\n" FILE_PART("name=x") "x\r\n--b--",
           NULL);
    EXPECT("--b\r\n" FILE_PART("name=\"file") "x\r\n--b--", NULL);
    EXPECT("--b\r\n" FILE_PART("name=a; name=b") "x\r\n--b--", NULL);
    EXPECT("--b\r\n" FILE_PART("name") "x\r\n--b--", NULL);
    EXPECT("--b\r\n" FILE_PART("name=a b=c") "x\r\n--b--", NULL);
}

TEST(a_part_has_a_small_head)
{
    struct record r = {.text = WR_BUF(65536)};
    struct wr_error err;
    size_t len = 2 * WR_MULTIPART_HEAD_MAX;
    char *body = malloc(len);
    CHECK(body != NULL);
    memset(body, 'x', len);
    memcpy(body, "--b\r\nA:", 7);
    CHECK_INT(parse("b", body, len, len, &r, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "too large") != NULL);
    free(body);
}

TEST(a_failure_of_the_receiver_ends_it)
{
    static const char body[] = "--b\r\n" FILE_PART("name=file") "x\r\n--b--";
    struct record r = {.text = WR_BUF(1024), .refuse = WR_E_INTERNAL};
    struct wr_error err;
    CHECK_INT(parse("b", body, sizeof(body) - 1, sizeof(body), &r, &err), -WR_E_INTERNAL);
    CHECK_STR(err.msg, "refused");
}

/* Or a small file would be written in many pieces, and each of them told to its watchers. */
TEST(content_comes_in_few_pieces)
{
    static const char body[] = "--b\r\n" FILE_PART("name=file") "a\r\nb\r\nc\r\n\r\n-d\r\n--b--";
    struct record r = {.text = WR_BUF(1024)};
    struct wr_error err;
    CHECK_INT(parse("b", body, sizeof(body) - 1, sizeof(body), &r, &err), 0);
    CHECK_INT(r.pieces, 1);
    wr_buf_done(&r.text);
}

static const char *name_of(const char *params)
{
    static struct wr_multipart_part part;
    static char head[32768];
    struct wr_error err;
    snprintf(head, sizeof(head), FILE_PART("name=file; %s"), params);
    int rc = wr_disposition_read(head, strlen(head), &part, &err);
    return rc < 0 ? NULL : part.has_filename ? part.filename : "(none)";
}

TEST(names_of_files)
{
    char longest[PATH_MAX + 32];
    CHECK_STR(name_of(""), "(none)");
    CHECK_STR(name_of("filename="
                      "plain.txt"),
              "plain.txt");
    CHECK_STR(name_of("filename=\"\""), "");
    CHECK_STR(name_of("filename=\"../a b/c;d=e\""), "../a b/c;d=e");
    CHECK_STR(name_of("filename=\"a\\\"b\\\\c\\d\""), "a\"b\\c\\d");
    CHECK_STR(name_of("filename=\"a%22b\""), "a%22b"); /* as browsers send a quote; verbatim */
    CHECK_STR(name_of("FileName=\"\xc3\xa4.txt\""), "\xc3\xa4.txt");
    CHECK_STR(name_of("filename=plain; filename*=UTF-8'en'%C3%A4%20b.txt"), "\xc3\xa4 b.txt");
    CHECK(name_of("filename*=latin1''x") == NULL);
    CHECK(name_of("filename*=utf-8'x") == NULL);
    CHECK(name_of("filename*=utf-8''%4") == NULL);
    CHECK(name_of("filename*=utf-8''%zz") == NULL);
    CHECK(name_of("filename*=utf-8''%00") == NULL);
    memcpy(longest, "filename=\"", 10);
    memset(longest + 10, 'a', PATH_MAX);
    memcpy(longest + 10 + PATH_MAX, "\"", 2);
    CHECK(name_of(longest) == NULL);
    memcpy(longest + 10 + PATH_MAX - 1, "\"", 2);
    CHECK_INT(strlen(name_of(longest)), PATH_MAX - 1);
}

static bool boundary(const char *type)
{
    struct wr_multipart m;
    struct wr_error err;
    bool ok = wr_multipart_init(&m, type, &ops, NULL, &err) == 0;
    if (ok)
        wr_multipart_done(&m);
    return ok;
}

TEST(boundaries)
{
    char type[256];
    CHECK(boundary("multipart/form-data; boundary=abc"));
    CHECK(boundary("multipart/form-data; charset=utf-8; BOUNDARY=\"a b=c\""));
    CHECK(!boundary("multipart/form-data"));
    CHECK(!boundary("multipart/form-data; boundary="));
    CHECK(!boundary("multipart/form-data; boundary=\"\""));
    CHECK(!boundary("multipart/form-data; boundary=\"a \""));
    CHECK(!boundary("multipart/form-data; boundary=\"a\tb\""));
    CHECK(!boundary("multipart/form-data; boundary=a; boundary=b"));
    snprintf(type, sizeof(type), "multipart/form-data; boundary=%070d", 1);
    CHECK(boundary(type));
    snprintf(type, sizeof(type), "multipart/form-data; boundary=%071d", 1);
    CHECK(!boundary(type));
    CHECK(wr_multipart_is("multipart/form-data; boundary=a"));
    CHECK(wr_multipart_is("Multipart/Mixed"));
    CHECK(!wr_multipart_is("multipart/"));
    CHECK(!wr_multipart_is("application/octet-stream"));
}
