#include "agent/fs/accept_encoding.h"

#include "base/str.h"

/* Weights in thousandths. */
#define FULL   1000
#define UNSAID (-1)

enum coding {
    IDENTITY = 0,
    GZIP = 1,
    ANY = 2,
    OTHER = 3,
};

struct wishes {
    int weight[OTHER];     /* of the first three codings, UNSAID when not named */
    unsigned place[OTHER]; /* in the order of the fields */
    unsigned count;
};

static const char *const names[] = {[IDENTITY] = "identity", [GZIP] = "gzip", [ANY] = "*"};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_blank(**text)) {
        ++*text;
        --*len;
    }
    while (*len > 0 && is_blank((*text)[*len - 1]))
        --*len;
}

/* "0.5" -> 500. What is no weight counts as full: a client that sends nonsense still gets bytes. */
static int read_weight(const char *text, size_t len)
{
    int weight = 0, unit = FULL;

    if (len == 0 || (text[0] != '0' && text[0] != '1') || (len > 1 && text[1] != '.') || len > 5)
        return FULL;
    for (size_t i = 0; i < len; i++) {
        if (i == 1)
            continue;
        if (text[i] < '0' || text[i] > '9')
            return FULL;
        weight += (text[i] - '0') * unit;
        unit /= 10;
    }
    return WR_MIN(weight, FULL);
}

/* One element: coding and parameters. */
static void read_wish(struct wishes *wishes, const char *text, size_t len)
{
    int weight = FULL;
    const char *semicolon = memchr(text, ';', len);
    size_t name_len = semicolon ? (size_t)(semicolon - text) : len;

    for (const char *p = semicolon; p;) {
        const char *param = p + 1;
        size_t rest = len - (size_t)(param - text);
        p = memchr(param, ';', rest);
        size_t param_len = p ? (size_t)(p - param) : rest;
        trim(&param, &param_len);
        if (param_len >= 2 && wr_memcaseeq(param, 2, "q=", 2))
            weight = read_weight(param + 2, param_len - 2);
    }
    trim(&text, &name_len);
    for (int i = 0; i < OTHER; i++) {
        if (wishes->weight[i] == UNSAID &&
            wr_memcaseeq(text, name_len, names[i], strlen(names[i]))) {
            wishes->weight[i] = weight;
            wishes->place[i] = wishes->count;
        }
    }
    wishes->count++;
}

static void read_field(struct wishes *wishes, const struct wr_h1_header *field)
{
    const char *at = field->value, *end = field->value + field->value_len;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        read_wish(wishes, at, (size_t)(stop - at));
        at = stop + 1;
    }
}

static bool goes_before(const struct wishes *w, int a, int b)
{
    return w->weight[a] > w->weight[b] ||
           (w->weight[a] == w->weight[b] && w->place[a] < w->place[b]);
}

enum wr_encoding wr_accept_encoding(const struct wr_h1_head *head, bool plain_only)
{
    struct wishes w = {.weight = {UNSAID, UNSAID, UNSAID}};
    int best = OTHER;

    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        if (wr_memcaseeq(field->name, field->name_len, "Accept-Encoding", 15))
            read_field(&w, field);
    }
    /* Plain bytes are acceptable unless they are refused by name, or by "*" and not named. */
    bool plain = w.weight[IDENTITY] != 0 && (w.weight[ANY] != 0 || w.weight[IDENTITY] > 0);
    if (plain_only)
        return plain ? WR_ENCODING_IDENTITY : WR_ENCODING_NONE;
    for (int i = 0; i < OTHER; i++) {
        if (w.weight[i] > 0 && (best == OTHER || goes_before(&w, i, best)))
            best = i;
    }
    if (best == GZIP || (best == ANY && !plain))
        return WR_ENCODING_GZIP;
    return plain ? WR_ENCODING_IDENTITY : WR_ENCODING_NONE;
}
