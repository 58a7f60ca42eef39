#include "audit_scene.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/str.h"
#include "json/value.h"
#include "test.h"

void audit_scene_begin(struct audit_scene *scene)
{
    CHECK(wr_strcopy(scene->dir, sizeof scene->dir, "/tmp/warren-audit-XXXXXX"));
    CHECK(mkdtemp(scene->dir) != NULL);
    CHECK(wr_strformat(scene->path, sizeof scene->path, "%s/log", scene->dir));
}

void audit_scene_end(struct audit_scene *scene)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, scene->dir), 0);
}

void audit_scene_add(struct wr_audit *audit, int number)
{
    wr_auto_value *record = wr_value_object();
    struct wr_error err = {0};

    CHECK_INT(wr_value_set(record, "event", wr_value_of_string("test"), &err), 0);
    CHECK_INT(wr_value_set(record, "n", wr_value_of_int(number), &err), 0);
    if (wr_audit_append(audit, record, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

void audit_scene_fill(struct audit_scene *scene, int count)
{
    struct wr_error err = {0};
    struct wr_audit *audit = wr_audit_open(scene->path, &err);

    CHECK(audit != NULL);
    for (int i = 0; i < count; i++)
        audit_scene_add(audit, i);
    wr_audit_free(audit);
}

void audit_scene_read(struct audit_scene *scene, struct wr_buf *out)
{
    wr_buf_clear(out);
    CHECK_INT(wr_file_read(AT_FDCWD, scene->path, out), 0);
}

void audit_scene_write(struct audit_scene *scene, const void *bytes, size_t len)
{
    CHECK_INT(wr_file_replace(AT_FDCWD, scene->path, bytes, len, 0600, WR_VOLATILE), 0);
}

int audit_scene_verify(struct audit_scene *scene, const char *expected_hash, struct wr_error *err)
{
    wr_auto_value *report = NULL;

    *err = (struct wr_error){0};
    if (wr_audit_verify(scene->path, expected_hash, &report, err) < 0)
        return -1;
    return (int)wr_value_int(report, "records", -2);
}

void audit_scene_hash(struct audit_scene *scene, char out[65])
{
    wr_auto_value *report = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_audit_verify(scene->path, NULL, &report, &err), 0);
    CHECK(wr_strcopy(out, 65, wr_value_string(report, "last_hash")));
}
