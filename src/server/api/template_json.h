/* The JSON shapes of a template. A template has one build, the present one, and one tag. */
#pragma once

#include "http/server.h"
#include "json/jwrite.h"
#include "server/templates.h"

/* An entry of a list. */
void wr_api_write_template(struct wr_jw *w, const struct wr_template_entry *entry);
/* The template with its builds. */
void wr_api_write_template_builds(struct wr_jw *w, const struct wr_template_entry *entry);
/* An entry of its list of tags. */
void wr_api_write_template_tag(struct wr_jw *w, const struct wr_template_entry *entry);
