#include "server/ingress/page.h"

#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;"
    "--line:#e1e5ea;--mark:#b4431f}"
    "@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b212a;--ink:#e8ecf1;"
    "--soft:#9aa6b5;--line:#2c3541;--mark:#f08a62}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;"
    "padding:24px;background:var(--bg);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "main{width:100%;max-width:520px;padding:36px 40px;background:var(--card);"
    "border:1px solid var(--line);border-radius:14px}"
    ".status{margin:0;color:var(--mark);font-size:14px;font-weight:600;letter-spacing:.06em}"
    "h1{margin:6px 0 14px;font-size:24px;line-height:1.25}"
    "p{margin:0 0 12px}.hint{color:var(--soft)}"
    "dl{margin:22px 0 0;padding-top:18px;border-top:1px solid var(--line);font-size:14px}"
    "dt{color:var(--soft)}"
    "dd{margin:0;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
    "overflow-wrap:anywhere}";

static int append_escaped(struct wr_buf *out, const char *text)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"},
    };
    int r = 0;

    for (const char *p = text; *p && r == 0; p++) {
        const char *entity = NULL;
        for (size_t i = 0; i < WR_ARRAY_SIZE(entities); i++)
            if (entities[i].c == *p)
                entity = entities[i].entity;
        r = entity ? wr_buf_append_str(out, entity) : wr_buf_append_char(out, *p);
    }
    return r;
}

static int append_between(struct wr_buf *out, const char *open, const char *text, const char *close)
{
    if (!text)
        return 0;
    int r = wr_buf_append_str(out, open);
    if (r == 0)
        r = append_escaped(out, text);
    return r ? r : wr_buf_append_str(out, close);
}

int wr_page_write(struct wr_buf *out, const struct wr_page *page)
{
    int r = wr_buf_append_str(out, "<html lang=\"en\"><head><meta charset=\"utf-8\">"
                                   "<meta name=\"viewport\" content=\"width=device-width\">");
    if (r == 0)
        r = append_between(out, "<title>", page->title, "</title>");
    if (r == 0)
        r = wr_buf_printf(out, "<style>%s</style></head><body><main><p class=\"status\">%d</p>",
                          style, page->status);
    if (r == 0)
        r = append_between(out, "<h1>", page->title, "</h1>");
    if (r == 0)
        r = append_between(out, "<p>", page->text, "</p>");
    if (r == 0)
        r = append_between(out, "<p class=\"hint\">", page->hint, "</p>");
    if (r == 0)
        r = append_between(out, "<dl><dt>Sandbox</dt><dd>", page->id, "</dd></dl>");
    return r ? r : wr_buf_append_str(out, "</main></body></html>");
}
