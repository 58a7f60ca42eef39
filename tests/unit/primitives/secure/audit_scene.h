/* An audit log in a directory of the test's own. */
#pragma once

#include "base/buf.h"
#include "warren/secure.h"

struct audit_scene {
    char dir[64], path[80];
};

void audit_scene_begin(struct audit_scene *scene);
void audit_scene_end(struct audit_scene *scene);
/* Appends {"event": "test", "n": number}. */
void audit_scene_add(struct wr_audit *audit, int number);
/* A log with `count` records. */
void audit_scene_fill(struct audit_scene *scene, int count);
void audit_scene_read(struct audit_scene *scene, struct wr_buf *out);
void audit_scene_write(struct audit_scene *scene, const void *bytes, size_t len);
/* wr_audit_verify(), with its records; the error is in `err`. -1 after a failure. */
int audit_scene_verify(struct audit_scene *scene, const char *expected_hash, struct wr_error *err);
/* Its last hash. */
void audit_scene_hash(struct audit_scene *scene, char out[65]);
