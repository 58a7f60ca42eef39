#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "engine/snapshot/manifest.h"
#include "test.h"

#define ID     "aaaaaaaaaaaaaaaaaaaa"
#define SOURCE "bbbbbbbbbbbbbbbbbbbb"
#define KEY    "file[1f:74725]"
#define HASH   "0123456789abcdef0123456789abcdef"

static struct wr_error err;

static struct wr_manifest sample(void)
{
    struct wr_manifest m = {.memory = true,
                            .own_files = true,
                            .created_ms = 1700000000123,
                            .frozen_us = 2500,
                            .layer_count = 2,
                            .file_count = 2,
                            .image_bytes = 4096 + 77,
                            .files_bytes = 123456};
    CHECK(wr_strcopy(m.id, sizeof(m.id), ID));
    CHECK(wr_strcopy(m.spec.id, sizeof(m.spec.id), ID));
    CHECK(wr_strcopy(m.spec.template_name, sizeof(m.spec.template_name), "base"));
    m.spec.cpu_millis = 500;
    m.spec.memory_bytes = 64 * WR_MIB;
    m.spec.disk_bytes = 32 * WR_MIB;
    m.spec.pids = 64;
    m.spec.open_files = 128;
    m.spec.generation = 3;
    CHECK(wr_strcopy(m.host.kernel, sizeof(m.host.kernel), "6.18.44"));
    CHECK(wr_strcopy(m.host.machine, sizeof(m.host.machine), "x86_64"));
    CHECK(wr_strcopy(m.host.features, sizeof(m.host.features), "avx fpu"));
    CHECK(wr_strcopy(m.host.criu, sizeof(m.host.criu), "4.2.1"));
    CHECK(wr_strcopy(m.layers[0], sizeof(m.layers[0]), "abcdef"));
    CHECK(wr_strcopy(m.layers[1], sizeof(m.layers[1]), ".warren-5-61c22154e01f016abc42dac9"));
    m.files = wr_calloc(2, sizeof(*m.files));
    CHECK(m.files);
    CHECK(wr_strcopy(m.files[0].name, sizeof(m.files[0].name), "core-1.img"));
    CHECK(wr_strcopy(m.files[1].name, sizeof(m.files[1].name), "pages-1.img"));
    CHECK(wr_strcopy(m.files[0].hash, sizeof(m.files[0].hash), HASH));
    CHECK(wr_strcopy(m.files[1].hash, sizeof(m.files[1].hash), HASH));
    m.files[0].size_bytes = 77;
    m.files[1].size_bytes = 4096;
    m.memory_files.count = 1;
    m.memory_files.list[0].size_bytes = 5555;
    CHECK(wr_strcopy(m.memory_files.list[0].key, sizeof(m.memory_files.list[0].key), KEY));
    CHECK(wr_strcopy(m.memory_files.list[0].hash, sizeof(m.memory_files.list[0].hash), HASH));
    return m;
}

static struct wr_buf write_text(const struct wr_manifest *m)
{
    struct wr_buf text = WR_BUF(2 * WR_MANIFEST_MAX_BYTES);
    CHECK_INT(wr_manifest_write(m, &text), 0);
    return text;
}

static void check_equal(const struct wr_manifest *a, const struct wr_manifest *b)
{
    CHECK_STR(a->id, b->id);
    CHECK_STR(a->source, b->source);
    CHECK_STR(a->spec.template_name, b->spec.template_name);
    CHECK_INT(a->spec.generation, b->spec.generation);
    CHECK_INT(a->spec.disk_bytes, b->spec.disk_bytes);
    CHECK_INT(a->memory, b->memory);
    CHECK_INT(a->own_files, b->own_files);
    CHECK_INT(a->created_ms, b->created_ms);
    CHECK_INT(a->frozen_us, b->frozen_us);
    CHECK_INT(a->image_bytes, b->image_bytes);
    CHECK_INT(a->files_bytes, b->files_bytes);
    CHECK(memcmp(&a->host, &b->host, sizeof(a->host)) == 0);
    CHECK_INT(a->layer_count, b->layer_count);
    CHECK(memcmp(a->layers, b->layers, sizeof(a->layers)) == 0);
    CHECK_INT(a->file_count, b->file_count);
    CHECK(a->file_count == 0 || memcmp(a->files, b->files, a->file_count * sizeof(*a->files)) == 0);
    CHECK_INT(a->memory_files.count, b->memory_files.count);
    for (size_t i = 0; i < a->memory_files.count; i++) {
        const struct wr_memory_file *x = &a->memory_files.list[i], *y = &b->memory_files.list[i];
        CHECK_STR(x->key, y->key);
        CHECK_STR(x->hash, y->hash);
        CHECK_INT(x->size_bytes, y->size_bytes);
    }
}

static void check_round_trip(const struct wr_manifest *m)
{
    struct wr_buf text = write_text(m);
    struct wr_manifest again = {.file_count = 0};
    if (wr_manifest_read(wr_buf_ptr(&text), text.len, &again, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    check_equal(m, &again);
    wr_manifest_done(&again);
    wr_buf_done(&text);
}

TEST(what_is_written_is_read)
{
    struct wr_manifest m = sample();
    check_round_trip(&m);
    m.memory_files.count = 0;
    check_round_trip(&m);
    m.own_files = false;
    CHECK(wr_strcopy(m.source, sizeof(m.source), SOURCE));
    check_round_trip(&m);
    /* A rollback's has no image of its own. */
    m.file_count = 0;
    m.image_bytes = 0;
    check_round_trip(&m);
    m.source[0] = '\0';
    m.memory = false;
    check_round_trip(&m);
    wr_manifest_done(&m);
    wr_manifest_done(&m);
}

TEST(the_largest_is_read)
{
    struct wr_manifest m = sample();
    free(m.files);
    m.files = wr_calloc(WR_MANIFEST_MAX_FILES, sizeof(*m.files));
    CHECK(m.files);
    m.file_count = WR_MANIFEST_MAX_FILES;
    m.image_bytes = 0;
    for (size_t i = 0; i < m.file_count; i++) {
        snprintf(m.files[i].name, sizeof(m.files[i].name), "%063zu", i);
        CHECK(wr_strcopy(m.files[i].hash, sizeof(m.files[i].hash), HASH));
        m.files[i].size_bytes = i;
        m.image_bytes += i;
    }
    m.layer_count = WR_MANIFEST_MAX_LAYERS;
    for (size_t i = 0; i < m.layer_count; i++)
        snprintf(m.layers[i], sizeof(m.layers[i]), "%079zu", i);
    memset(m.host.features, 'f', sizeof(m.host.features) - 1);
    check_round_trip(&m);
    wr_manifest_done(&m);
}

/* Every byte counts, and every length. */
TEST(damage_is_found)
{
    static struct wr_manifest got = {.file_count = 99};
    struct wr_manifest m = sample();
    struct wr_buf text = write_text(&m);
    char *bytes = wr_buf_ptr(&text);
    for (size_t i = 0; i < text.len; i++) {
        bytes[i] ^= 1;
        CHECK_INT(wr_manifest_read(bytes, text.len, &got, &err), -WR_E_DATA_LOSS);
        bytes[i] ^= 1;
        CHECK_INT(wr_manifest_read(bytes, i, &got, &err), -WR_E_DATA_LOSS);
    }
    CHECK_INT(got.file_count, 99); /* untouched */
    CHECK(strstr(err.msg, "the manifest is damaged"));
    wr_buf_done(&text);
    wr_manifest_done(&m);
}

/* With a right checksum: `object` replaces the manifest. */
static int read_signed(const char *object)
{
    struct wr_manifest got = {.file_count = 0};
    char hash[WR_HASH_LEN + 1];
    wr_auto_buf text = WR_BUF(WR_MIB);
    wr_hash_bytes(object, strlen(object), hash);
    CHECK_INT(wr_buf_printf(&text, "{\"manifest\":%s,\"hash\":\"%s\"}\n", object, hash), 0);
    int rc = wr_manifest_read(wr_buf_ptr(&text), text.len, &got, &err);
    wr_manifest_done(&got);
    return rc;
}

/* The object of the sample with one part replaced. */
static int read_changed(const char *from, const char *to)
{
    struct wr_manifest m = sample();
    struct wr_buf text = write_text(&m);
    const char *begin = wr_buf_cstr(&text) + strlen("{\"manifest\":");
    const char *end = strstr(begin, ",\"hash\":\"" /* the last one */);
    for (const char *next = end; next; next = strstr(next + 1, ",\"hash\":\""))
        end = next;
    char *object = wr_strndup(begin, (size_t)(end - begin));
    char *at = strstr(object, from);
    if (!at)
        wr_test_fail(__FILE__, __LINE__, "no %s in %s", from, object);
    char *changed = wr_asprintf("%.*s%s%s", (int)(at - object), object, to, at + strlen(from));
    int rc = read_signed(changed);
    free(changed);
    free(object);
    wr_buf_done(&text);
    wr_manifest_done(&m);
    return rc;
}

TEST(what_nobody_writes_is_refused)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"\"format\":1", "\"format\":2"},
        {"\"format\":1,", ""},
        {"\"memory\":true", "\"memory\":true,\"more\":1"},
        {"\"memory\":true", "\"memory\":false"}, /* with files */
        {"\"memory\":true", "\"memory\":1"},
        {"\"id\":\"" ID "\"", "\"id\":\"../aaaaaaaaaaaaaaaaa\""},
        {"\"source\":\"\"", "\"source\":\"short\""},
        {"\"createdMs\":1700000000123,", ""},
        {"\"frozenUs\":2500", "\"frozenUs\":-1"},
        {"\"criu\":\"4.2.1\"", "\"criu\":\"0123456789012345678901234567890123456789\""},
        {"\"criu\":\"4.2.1\"", "\"criu\":\"4.2.1\",\"x\":\"\""},
        {"\"abcdef\"", "\"..\""},
        {"\"abcdef\"", "\"a/b\""},
        {"\"abcdef\"", "\"\""},
        {"\"abcdef\"", "1"},
        {"\"core-1.img\"", "\"../core-1.img\""},
        {"\"core-1.img\"", "\"..\""},
        {"\"core-1.img\"", "\"pages-1.img\""}, /* twice */
        {"\"core-1.img\"", "\"z.img\""},       /* not sorted */
        {"\"core-1.img\"", "\"\""},
        {"\"" HASH "\"", "\"0123456789ABCDEF0123456789abcdef\""},
        {"\"" HASH "\"", "\"0123\""},
        {"\"sizeBytes\":77", "\"sizeBytes\":78"},
        {"\"sizeBytes\":77", "\"sizeBytes\":9223372036854775807"},
        {"\"imageBytes\":4173", "\"imageBytes\":4172"},
        {"\"filesBytes\":123456", "\"filesBytes\":\"many\""},
        {"\"template\":\"base\"", "\"template\":\"../base\""},
        {"{\"name\":\"core-1.img\"", "7,{\"name\":\"core-1.img\""},
        {"\"key\":\"" KEY "\"", "\"key\":\"/etc/passwd\""},
        {"\"key\":\"" KEY "\"", "\"key\":\"\""},
        {"\"key\":\"" KEY "\",", ""},
        {"\"sizeBytes\":5555", "\"sizeBytes\":0"},
        {"\"sizeBytes\":5555", "\"sizeBytes\":1073741825"},
        {"\"sizeBytes\":5555,\"hash\":\"" HASH "\"", "\"sizeBytes\":5555,\"hash\":\"..\""},
        {"{\"key\"", "1,{\"key\""},
        {"{\"key\"", "1,2,3,4,{\"key\""},
    };
    CHECK_INT(read_changed("\"frozenUs\":2500", "\"frozenUs\":2501"), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        if (read_changed(rows[i].from, rows[i].to) != -WR_E_DATA_LOSS)
            wr_test_fail(__FILE__, __LINE__, "%s is accepted", rows[i].to);
    CHECK_INT(read_signed(""), -WR_E_DATA_LOSS);
    CHECK_INT(read_signed("[]"), -WR_E_DATA_LOSS);
    CHECK_INT(read_signed("{}"), -WR_E_DATA_LOSS);
    CHECK_INT(read_signed("{} {}"), -WR_E_DATA_LOSS);
}

TEST(memory_needs_an_image)
{
    static struct wr_manifest got;
    struct wr_manifest m = sample();
    m.file_count = 0;
    m.image_bytes = 0;
    struct wr_buf text = write_text(&m);
    CHECK_INT(wr_manifest_read(wr_buf_ptr(&text), text.len, &got, &err), -WR_E_DATA_LOSS);
    wr_buf_done(&text);
    wr_manifest_done(&m);
}

TEST(a_full_buffer_is_an_error)
{
    struct wr_manifest m = sample();
    wr_auto_buf text = WR_BUF(100);
    CHECK_INT(wr_manifest_write(&m, &text), -ENOBUFS);
    wr_manifest_done(&m);
}
