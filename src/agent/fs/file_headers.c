#include "agent/fs/file_headers.h"

#include "agent/fs/http_date.h"
#include "agent/fs/path.h"
#include "base/str.h"
#include "http/uri.h"

static const struct {
    const char *suffix;
    const char *type;
} types[] = {
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/markdown; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".log", "text/plain; charset=utf-8"},
    {".py", "text/x-python; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".xml", "text/xml; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".pdf", "application/pdf"},
    {".wasm", "application/wasm"},
    {".gz", "application/gzip"},
    {".tgz", "application/gzip"},
    {".tar", "application/x-tar"},
    {".zip", "application/zip"},
    {".mp3", "audio/mpeg"},
    {".wav", "audio/wav"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
    {".ico", "image/x-icon"},
    {".ipynb", "application/json"},
    {".parquet", "application/vnd.apache.parquet"},
};

static const char *content_type(const char *path)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(types); i++) {
        if (wr_ends_with(path, types[i].suffix))
            return types[i].type;
    }
    return "application/octet-stream";
}

bool wr_content_disposition(const char *name, size_t len, char *out, size_t cap)
{
    static const char token_marks[] = "!#$%&'*+-.^_`|~";
    char plain[256], quoted[512];
    bool token = len > 0, printable = true;
    size_t q = 0;

    if (len >= sizeof(plain)) /* NAME_MAX is 255 */
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        token = token && (letter || (c != '\0' && strchr(token_marks, c)));
        printable = printable && c >= ' ' && c <= '~';
        if (c == '"' || c == '\\')
            quoted[q++] = '\\';
        quoted[q++] = c;
    }
    quoted[q] = '\0';
    memcpy(plain, name, len);
    plain[len] = '\0';
    if (token)
        return wr_strformat(out, cap, "inline; filename=%s", plain);
    if (printable)
        return wr_strformat(out, cap, "inline; filename=\"%s\"", quoted);
    char encoded[3 * sizeof(plain)];
    return wr_uri_encode(plain, encoded, sizeof(encoded)) &&
           wr_strformat(out, cap, "inline; filename*=utf-8''%s", encoded);
}

void wr_file_headers(struct wr_exchange *ex, const char *path, const struct stat *st)
{
    char disposition[1024], date[30];
    size_t base_len = 0;
    const char *base = wr_path_base(path, &base_len);

    wr_exchange_header(ex, "Content-Type", content_type(path));
    if (wr_content_disposition(base, base_len, disposition, sizeof(disposition)))
        wr_exchange_header(ex, "Content-Disposition", disposition);
    wr_http_date(st->st_mtim.tv_sec, date);
    wr_exchange_header(ex, "Last-Modified", date);
    wr_exchange_header(ex, "Vary", "Accept-Encoding");
}
