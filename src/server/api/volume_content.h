/* /volumecontent: the files of volumes, for whoever shows the volume's token instead of an API key.
 * Errors are {"code": "<word>", "message": "..."}. */
#pragma once

#include "http/server.h"
#include "server/request.h"

/* Whether the request is for the files of a volume. */
bool wr_api_volume_content_wants(const struct wr_exchange *ex);
/* Answers it. `request->who` counts when it is the operator, who needs no token. */
void wr_api_volume_content(struct wr_exchange *ex, struct wr_api_request *request);
