#include "base/alloc.h"
#include "base/str.h"
#include "template/manifest.h"
#include "test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define START \
    "{\"format\":1,\"name\":\"base\",\"layers\":[\"" HASH "\"],\"user\":\"user\",\"workdir\":\"\","
#define END "\"env\":{\"LANG\":\"C.UTF-8\"},\"sizeBytes\":5,\"createdMs\":6}"

static int read_text(const char *text, struct wr_error *err)
{
    wr_auto_template t = {0};
    return wr_template_manifest_read(text, strlen(text), "base", &t, err);
}

TEST(reads_every_field)
{
    struct wr_error err = {0};
    wr_auto_template t = {0};
    const char *text = START "\"cpuMillis\":500,\"memoryBytes\":7,\"diskBytes\":8," END;
    CHECK_INT(wr_template_manifest_read(text, strlen(text), "base", &t, &err), 0);
    CHECK_STR(t.name, "base");
    CHECK_INT(t.layer_count, 1);
    CHECK_STR(t.layers[0], HASH);
    CHECK_STR(t.user, "user");
    CHECK_STR(t.env_json, "{\"LANG\":\"C.UTF-8\"}");
    CHECK_INT(t.size_bytes, 5);
    CHECK_INT(t.created_ms, 6);
    CHECK_INT(t.cpu_millis, 500);
    CHECK_INT(t.memory_bytes, 7);
    CHECK_INT(t.disk_bytes, 8);
}

TEST(refuses_what_is_not_a_manifest)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "invalid JSON"},
        {"[]", "object"},
        {"{}", "format"},
        {START END " x", "invalid JSON"},
        {START "\"extra\":1," END, "extra"},
        {START "\"cpuMillis\":-1," END, "cpuMillis"},
        {START "\"user\":\"again\"," END, "invalid JSON"},
        {"{\"format\":2,\"name\":\"base\",\"layers\":[\"" HASH
         "\"],\"user\":\"u\",\"workdir\":\"\"," END,
         "format 2"},
        {"{\"format\":1,\"name\":\"other\",\"layers\":[\"" HASH
         "\"],\"user\":\"u\",\"workdir\":\"\"," END,
         "other"},
        {"{\"format\":1,\"name\":\"base\",\"layers\":[],\"user\":\"u\",\"workdir\":\"\"," END,
         "1 to 16"},
        {"{\"format\":1,\"name\":\"base\",\"layers\":[\"../x\"],\"user\":\"u\",\"workdir\":\"\"," END,
         "layer 0"},
        {"{\"format\":1,\"name\":\"base\",\"layers\":[7],\"user\":\"u\",\"workdir\":\"\"," END,
         "layer 0"},
        {"{\"format\":1,\"name\":\"base\",\"layers\":[\"" HASH
         "\"],\"user\":\"\",\"workdir\":\"\"," END,
         "user"},
        {"{\"format\":1,\"name\":\"base\",\"layers\":[\"" HASH
         "\"],\"user\":\"a:b\",\"workdir\":\"\"," END,
         "user"},
        {"{\"format\":1,\"name\":\"base\",\"layers\":[\"" HASH
         "\"],\"user\":\"u\",\"workdir\":\"rel\"," END,
         "workdir"},
        {START "\"aliases\":\"x\"," END, "aliases"},
        {START "\"aliases\":[1]," END, "alias 0"},
        {START "\"aliases\":[\"../x\"]," END, "alias 0"},
        {START "\"aliases\":[\"x\",\"x\"]," END, "twice"},
        {START "\"aliases\":[\"base\"]," END, "own name"},
        {START "\"aliases\":[\"a\",\"b\",\"c\",\"d\",\"e\"]," END, "aliases"},
        {START "\"env\":{\"A B\":\"x\"},\"sizeBytes\":5,\"createdMs\":6}", "A B"},
        {START "\"env\":{\"1A\":\"x\"},\"sizeBytes\":5,\"createdMs\":6}", "1A"},
        {START "\"env\":{\"A\":1},\"sizeBytes\":5,\"createdMs\":6}", "must be a string"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        struct wr_error err = {0};
        int rc = read_text(cases[i].text, &err);
        if (rc != -WR_E_DATA_LOSS || !strstr(err.msg, cases[i].reason) ||
            !strstr(err.msg, "templates/base.json"))
            wr_test_fail(__FILE__, __LINE__, "case %zu: %d \"%s\"", i, rc, err.msg);
    }
}

/* Manifests of earlier versions have no such field. */
TEST(base_without_aliases_has_the_default_ones)
{
    struct wr_error err = {0};
    wr_auto_template base = {0}, none = {0}, other = {0};
    const char *text = START END, *empty = START "\"aliases\":[]," END,
               *name = "{\"format\":1,\"name\":\"x\",\"layers\":[\"" HASH
                       "\"],\"user\":\"u\",\"workdir\":\"\"," END;
    CHECK_INT(wr_template_manifest_read(text, strlen(text), "base", &base, &err), 0);
    CHECK_INT(base.alias_count, 1);
    CHECK_STR(base.aliases[0], "code-interpreter-v1");
    CHECK_INT(wr_template_manifest_read(empty, strlen(empty), "base", &none, &err), 0);
    CHECK_INT(none.alias_count, 0);
    CHECK_INT(wr_template_manifest_read(name, strlen(name), "x", &other, &err), 0);
    CHECK_INT(other.alias_count, 0);
}

TEST(writes_what_it_reads)
{
    struct wr_error err = {0};
    wr_auto_template t = {
        .name = "x", .layers = {HASH}, .layer_count = 1, .user = "root", .workdir = "/srv"};
    t.env_json = wr_strdup("{\"A\":\"1\",\"B\":\"q\\\"\\u0001\"}");
    t.size_bytes = 1;
    t.alias_count = 2;
    CHECK(wr_strcopy(t.aliases[0], sizeof(t.aliases[0]), "y") &&
          wr_strcopy(t.aliases[1], sizeof(t.aliases[1]), "z.1"));
    wr_auto_buf out = WR_BUF(WR_MANIFEST_MAX);
    CHECK_INT(wr_template_manifest_write(&t, &out, &err), 0);
    wr_auto_template back = {0};
    CHECK_INT(wr_template_manifest_read(wr_buf_ptr(&out), out.len, "x", &back, &err), 0);
    CHECK_STR(back.workdir, "/srv");
    CHECK_STR(back.env_json, t.env_json);
    CHECK_INT(back.alias_count, 2);
    CHECK_STR(back.aliases[1], "z.1");
}

TEST(does_not_write_what_it_would_refuse)
{
    struct wr_error err = {0};
    wr_auto_template t = {.name = "x", .layers = {"short"}, .layer_count = 1, .user = "root"};
    t.env_json = wr_strdup("{}");
    wr_auto_buf out = WR_BUF(WR_MANIFEST_MAX);
    CHECK_INT(wr_template_manifest_write(&t, &out, &err), -WR_E_DATA_LOSS);
}
