#include "engine/snapshot/manifest.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "json/jread.h"
#include "json/jwrite.h"

/* The text is HEAD, the object that is summed, MIDDLE, the sum, TAIL. */
#define HEAD   "{\"manifest\":"
#define MIDDLE ",\"hash\":\""
#define TAIL   "\"}\n"
#define AROUND (sizeof(HEAD MIDDLE TAIL) - 1 + WR_HASH_LEN)

#define MAX_RECORD_BYTES ((size_t)64 * 1024)
/* Values in a manifest of the greatest size; each container counts as one more. */
#define MAX_VALUES       ((size_t)5 * WR_MANIFEST_MAX_FILES + 1024)
#define FILE_NAME_BYTES  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

void wr_manifest_done(struct wr_manifest *manifest)
{
    wr_spec_done(&manifest->spec);
    free(manifest->files);
    *manifest = (struct wr_manifest){.file_count = 0};
}

static int write_sandbox(const struct wr_spec *spec, struct wr_jw *w)
{
    wr_auto_buf record = WR_BUF(MAX_RECORD_BYTES);
    int rc = wr_spec_write_record(spec, &record);
    if (rc < 0)
        return rc;
    wr_jw_key(w, "sandbox");
    wr_jw_raw(w, wr_buf_ptr(&record), record.len);
    return 0;
}

static void write_host(const struct wr_host *host, struct wr_jw *w)
{
    wr_jw_key(w, "host");
    wr_jw_object(w);
    wr_jw_kstr(w, "kernel", host->kernel);
    wr_jw_kstr(w, "machine", host->machine);
    wr_jw_kstr(w, "features", host->features);
    wr_jw_kstr(w, "criu", host->criu);
    wr_jw_end(w);
}

static void write_lists(const struct wr_manifest *m, struct wr_jw *w)
{
    wr_jw_key(w, "layers");
    wr_jw_array(w);
    for (size_t i = 0; i < m->layer_count; i++)
        wr_jw_str(w, m->layers[i]);
    wr_jw_end(w);
    wr_jw_key(w, "files");
    wr_jw_array(w);
    for (size_t i = 0; i < m->file_count; i++) {
        wr_jw_object(w);
        wr_jw_kstr(w, "name", m->files[i].name);
        wr_jw_ku64(w, "sizeBytes", m->files[i].size_bytes);
        wr_jw_kstr(w, "hash", m->files[i].hash);
        wr_jw_end(w);
    }
    wr_jw_end(w);
}

static void write_memory_files(const struct wr_memory_files *files, struct wr_jw *w)
{
    if (files->count == 0)
        return;
    wr_jw_key(w, "memoryFiles");
    wr_jw_array(w);
    for (size_t i = 0; i < files->count; i++) {
        wr_jw_object(w);
        wr_jw_kstr(w, "key", files->list[i].key);
        wr_jw_ku64(w, "sizeBytes", files->list[i].size_bytes);
        wr_jw_kstr(w, "hash", files->list[i].hash);
        wr_jw_end(w);
    }
    wr_jw_end(w);
}

static int write_object(const struct wr_manifest *m, struct wr_buf *out)
{
    struct wr_jw w;
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_ku64(&w, "format", WR_MANIFEST_FORMAT);
    wr_jw_kstr(&w, "id", m->id);
    int rc = write_sandbox(&m->spec, &w);
    if (rc < 0)
        return rc;
    wr_jw_kbool(&w, "memory", m->memory);
    wr_jw_kbool(&w, "ownFiles", m->own_files);
    wr_jw_kstr(&w, "source", m->source);
    wr_jw_ku64(&w, "createdMs", m->created_ms);
    wr_jw_ku64(&w, "frozenUs", m->frozen_us);
    write_host(&m->host, &w);
    write_lists(m, &w);
    write_memory_files(&m->memory_files, &w);
    wr_jw_ku64(&w, "imageBytes", m->image_bytes);
    wr_jw_ku64(&w, "filesBytes", m->files_bytes);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

int wr_manifest_write(const struct wr_manifest *manifest, struct wr_buf *out)
{
    wr_auto_buf object = WR_BUF(WR_MANIFEST_MAX_BYTES);
    char hash[WR_HASH_LEN + 1];
    int rc = write_object(manifest, &object);
    if (rc < 0)
        return rc;
    wr_hash_bytes(wr_buf_ptr(&object), object.len, hash);
    rc = wr_buf_append_str(out, HEAD);
    if (rc == 0)
        rc = wr_buf_append(out, wr_buf_ptr(&object), object.len);
    return rc < 0 ? rc : wr_buf_printf(out, MIDDLE "%s" TAIL, hash);
}

static int damaged(struct wr_error *err, const char *what)
{
    return wr_fail(err, WR_E_DATA_LOSS, 0, "%s is not possible", what);
}

static int read_host(const json_t *object, struct wr_host *ret, struct wr_error *err)
{
    const char *kernel = NULL, *machine = NULL, *features = NULL, *criu = NULL;
    const struct wr_json_field fields[] = {
        {.name = "kernel", .kind = WR_JSON_STRING, .required = true, .ret = &kernel},
        {.name = "machine", .kind = WR_JSON_STRING, .required = true, .ret = &machine},
        {.name = "features", .kind = WR_JSON_STRING, .required = true, .ret = &features},
        {.name = "criu", .kind = WR_JSON_STRING, .required = true, .ret = &criu},
    };
    int rc = wr_json_read(object, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc < 0)
        return rc;
    if (!wr_strcopy(ret->kernel, sizeof(ret->kernel), kernel) ||
        !wr_strcopy(ret->machine, sizeof(ret->machine), machine) ||
        !wr_strcopy(ret->features, sizeof(ret->features), features) ||
        !wr_strcopy(ret->criu, sizeof(ret->criu), criu))
        return damaged(err, "the length of a text about its host");
    return 0;
}

static bool is_file_name(const char *name, size_t max)
{
    return wr_str_only(name, FILE_NAME_BYTES, 1, max) && !wr_streq(name, ".") &&
           !wr_streq(name, "..");
}

static int read_layers(const json_t *array, struct wr_manifest *m, struct wr_error *err)
{
    size_t count = json_array_size(array);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        if (!name || !is_file_name(name, sizeof(m->layers[0]) - 1) ||
            !wr_strcopy(m->layers[i], sizeof(m->layers[0]), name))
            return damaged(err, "the name of a layer");
    }
    m->layer_count = count;
    return count > 0 ? 0 : damaged(err, "a sandbox without layers");
}

static int read_hash(const char *text, char ret[static WR_HASH_LEN + 1], struct wr_error *err)
{
    return wr_str_only(text, "0123456789abcdef", WR_HASH_LEN, WR_HASH_LEN) &&
                   wr_strcopy(ret, WR_HASH_LEN + 1, text)
               ? 0
               : damaged(err, "the checksum of a file");
}

/* `before`: NULL for the first. */
static int read_file(const json_t *object, const struct wr_image_file *before,
                     struct wr_image_file *ret, struct wr_error *err)
{
    const char *name = NULL, *hash = NULL;
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name},
        {.name = "sizeBytes", .kind = WR_JSON_U64, .required = true, .ret = &ret->size_bytes},
        {.name = "hash", .kind = WR_JSON_STRING, .required = true, .ret = &hash},
    };
    if (!json_is_object(object))
        return damaged(err, "an entry in the list of files that is no object");
    int rc = wr_json_read(object, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc < 0)
        return rc;
    if (!is_file_name(name, sizeof(ret->name) - 1) ||
        !wr_strcopy(ret->name, sizeof(ret->name), name) ||
        (before && strcmp(before->name, name) >= 0))
        return damaged(err, "the name of a file, or where it is in the list,");
    return read_hash(hash, ret->hash, err);
}

static int read_files(const json_t *array, struct wr_manifest *m, struct wr_error *err)
{
    size_t count = json_array_size(array);
    uint64_t total = 0;
    if (count == 0)
        return m->image_bytes == 0 ? 0 : damaged(err, "the size of the image");
    m->files = wr_calloc(count, sizeof(*m->files));
    if (!m->files)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "read the list of files");
    for (size_t i = 0; i < count; i++) {
        int rc =
            read_file(json_array_get(array, i), i ? &m->files[i - 1] : NULL, &m->files[i], err);
        if (rc < 0)
            return rc;
        if (__builtin_add_overflow(total, m->files[i].size_bytes, &total))
            return damaged(err, "the size of a file");
    }
    m->file_count = count;
    return total == m->image_bytes ? 0 : damaged(err, "the size of the image");
}

static int read_memory_file(const json_t *object, struct wr_memory_file *ret, struct wr_error *err)
{
    const char *key = NULL, *hash = NULL;
    const struct wr_json_field fields[] = {
        {.name = "key", .kind = WR_JSON_STRING, .required = true, .ret = &key},
        {.name = "sizeBytes",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &ret->size_bytes,
         .min = 1,
         .max = WR_MEMORY_MAX_BYTES},
        {.name = "hash", .kind = WR_JSON_STRING, .required = true, .ret = &hash},
    };
    if (!json_is_object(object))
        return damaged(err, "an entry in the list of memory that is no object");
    int rc = wr_json_read(object, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc < 0)
        return rc;
    if (!wr_str_only(key, "file[:]0123456789abcdef", 1, sizeof(ret->key) - 1) ||
        !wr_strcopy(ret->key, sizeof(ret->key), key))
        return damaged(err, "the key of shared memory");
    return read_hash(hash, ret->hash, err);
}

static int read_memory_files(const json_t *array, struct wr_memory_files *ret, struct wr_error *err)
{
    size_t count = json_array_size(array); /* 0 of none */
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_memory_file(json_array_get(array, i), &ret->list[i], err);
    ret->count = count;
    return rc;
}

/* Ids, and what fits together. */
static int check(const struct wr_manifest *m, const char *id, const char *source,
                 struct wr_error *err)
{
    if (!wr_id_valid(id) || (*source && !wr_id_valid(source)))
        return damaged(err, "an id");
    if (!m->memory && (m->file_count > 0 || m->memory_files.count > 0))
        return damaged(err, "an image without memory");
    if (m->memory && m->file_count == 0 && !*source)
        return damaged(err, "memory without an image");
    return 0;
}

static int read_object(const json_t *object, struct wr_manifest *m, struct wr_error *err)
{
    const char *id = NULL, *source = NULL;
    json_t *sandbox = NULL, *host = NULL, *layers = NULL, *files = NULL, *memory_files = NULL;
    uint64_t format = 0;
    const struct wr_json_field fields[] = {
        {.name = "format",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &format,
         .min = WR_MANIFEST_FORMAT,
         .max = WR_MANIFEST_FORMAT},
        {.name = "id", .kind = WR_JSON_STRING, .required = true, .ret = &id},
        {.name = "sandbox", .kind = WR_JSON_OBJECT, .required = true, .ret = &sandbox},
        {.name = "memory", .kind = WR_JSON_BOOL, .required = true, .ret = &m->memory},
        {.name = "ownFiles", .kind = WR_JSON_BOOL, .required = true, .ret = &m->own_files},
        {.name = "source", .kind = WR_JSON_STRING, .required = true, .ret = &source},
        {.name = "createdMs", .kind = WR_JSON_U64, .required = true, .ret = &m->created_ms},
        {.name = "frozenUs", .kind = WR_JSON_U64, .required = true, .ret = &m->frozen_us},
        {.name = "host", .kind = WR_JSON_OBJECT, .required = true, .ret = &host},
        {.name = "layers",
         .kind = WR_JSON_ARRAY,
         .required = true,
         .ret = &layers,
         .max = WR_MANIFEST_MAX_LAYERS},
        {.name = "files",
         .kind = WR_JSON_ARRAY,
         .required = true,
         .ret = &files,
         .max = WR_MANIFEST_MAX_FILES},
        {.name = "memoryFiles",
         .kind = WR_JSON_ARRAY,
         .ret = &memory_files,
         .max = WR_MEMORY_MAX_FILES},
        {.name = "imageBytes", .kind = WR_JSON_U64, .required = true, .ret = &m->image_bytes},
        {.name = "filesBytes", .kind = WR_JSON_U64, .required = true, .ret = &m->files_bytes},
    };
    int rc = wr_json_read(object, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc == 0)
        rc = wr_spec_read_record(sandbox, &m->spec, err);
    if (rc == 0)
        rc = read_host(host, &m->host, err);
    if (rc == 0)
        rc = read_layers(layers, m, err);
    if (rc == 0)
        rc = read_files(files, m, err);
    if (rc == 0)
        rc = read_memory_files(memory_files, &m->memory_files, err);
    if (rc == 0)
        rc = check(m, id, source, err);
    if (rc < 0)
        return rc;
    memcpy(m->id, id, sizeof(m->id));
    if (*source)
        memcpy(m->source, source, sizeof(m->source));
    return 0;
}

/* The part of the text that is the object, after its sum has been compared. */
static int take_object(const char *text, size_t len, const char **ret, size_t *ret_len,
                       struct wr_error *err)
{
    char hash[WR_HASH_LEN + 1];
    if (len < AROUND || len > WR_MANIFEST_MAX_BYTES + AROUND)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "its length is %zu bytes", len);
    const char *object = text + sizeof(HEAD) - 1;
    size_t object_len = len - AROUND;
    const char *sum = object + object_len + sizeof(MIDDLE) - 1;
    wr_hash_bytes(object, object_len, hash);
    if (memcmp(text, HEAD, sizeof(HEAD) - 1) != 0 ||
        memcmp(sum - (sizeof(MIDDLE) - 1), MIDDLE, sizeof(MIDDLE) - 1) != 0 ||
        memcmp(sum + WR_HASH_LEN, TAIL, sizeof(TAIL) - 1) != 0 ||
        memcmp(sum, hash, WR_HASH_LEN) != 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "its checksum is wrong");
    *ret = object;
    *ret_len = object_len;
    return 0;
}

int wr_manifest_read(const char *text, size_t len, struct wr_manifest *ret, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    struct wr_manifest manifest = {.file_count = 0};
    const struct wr_json_limits limits = {.bytes = WR_MANIFEST_MAX_BYTES, .values = MAX_VALUES};
    const char *object = NULL;
    size_t object_len = 0;
    int rc = take_object(text, len, &object, &object_len, err);
    if (rc == 0)
        rc = wr_json_parse_limited(object, object_len, &limits, &json, err);
    if (rc == 0)
        rc = read_object(json, &manifest, err);
    if (rc < 0) {
        wr_manifest_done(&manifest);
        if (err->os_errno != ENOMEM)
            err->code = WR_E_DATA_LOSS;
        return wr_wrap(err, "the manifest is damaged");
    }
    *ret = manifest;
    return 0;
}
