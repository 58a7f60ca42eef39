/* How clients name a template: "[namespace/]name[:tag]", trimmed and lower-cased, where the name
 * may also be a template ID (template/template_id.h). */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "template/template_id.h"

#define WR_TEMPLATE_PART_MAX 128 /* bytes of a namespace or a tag */
#define WR_TEMPLATE_TAG      "default"

struct wr_template_ref {
    char team[WR_TEMPLATE_PART_MAX + 1]; /* the namespace; "" when none was given */
    char name[64];                       /* a valid template name, or an ID */
    char tag[WR_TEMPLATE_PART_MAX + 1];  /* "" when none was given */
};

/* INVALID_ARGUMENT. */
int wr_template_ref_parse(const char *text, struct wr_template_ref *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Whether the name could be an ID. */
bool wr_template_ref_is_id(const struct wr_template_ref *ref);
