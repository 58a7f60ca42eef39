/* The body of a PATCH and a path, as clients of a volume's content send them. */
#include "agent/fs/content_request.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_content_change change;
    struct wr_error err;
    char raw[PATH_MAX], clean[PATH_MAX];

    if (wr_content_change_read((const char *)data, size, &change, &err) == 0)
        HOLDS((!change.has_uid || change.uid <= WR_CONTENT_MAX_ID) &&
              (!change.has_gid || change.gid <= WR_CONTENT_MAX_ID) &&
              (!change.has_mode || change.mode <= WR_CONTENT_MAX_MODE));
    if (size >= sizeof(raw))
        return 0;
    memcpy(raw, data, size);
    raw[size] = '\0';
    if (!wr_content_path(raw, clean))
        return 0;
    HOLDS(clean[0] == '/' && strlen(clean) < sizeof(clean));
    HOLDS(!strstr(clean, "//") && !strstr(clean, "/../") && !strstr(clean, "/./"));
    const size_t len = strlen(clean);
    HOLDS(len == 1 || clean[len - 1] != '/');
    HOLDS(len < 3 || strcmp(clean + len - 3, "/..") != 0);
    return 0;
}
