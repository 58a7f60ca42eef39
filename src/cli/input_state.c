#include "cli/input_state.h"

#include "base/str.h"

/* What of a language matters here. */
struct syntax {
    const char *languages[2];
    const char *quotes;       /* characters that begin a string */
    const char *long_quotes;  /* of these, strings that may hold line breaks */
    const char *raw_quotes;   /* of these, strings without escapes */
    bool triple;              /* three quotes begin a string with line breaks */
    const char *line_comment; /* "//" or "#" */
    bool block_comment, regex;
    bool shell;                  /* words like "if", here-documents, # inside words */
    bool blocks;                 /* a colon at the end of a line begins an indented block */
    const char *const *trailing; /* at the end: the input goes on */
};

static const char *const shell_trailing[] = {"|", "&&", "\\", NULL};
static const char *const r_trailing[] = {"+",   "*", "/", ",", "<-", "|>",
                                         "%>%", "&", "|", "~", NULL};
static const char *const python_trailing[] = {"\\", NULL};
static const char *const no_trailing[] = {NULL};

static const struct syntax syntaxes[] = {
    {.languages = {"python"},
     .quotes = "'\"",
     .long_quotes = "",
     .raw_quotes = "",
     .triple = true,
     .line_comment = "#",
     .blocks = true,
     .trailing = python_trailing},
    {.languages = {"javascript", "typescript"},
     .quotes = "'\"`",
     .long_quotes = "`",
     .raw_quotes = "",
     .line_comment = "//",
     .block_comment = true,
     .regex = true,
     .trailing = no_trailing},
    {.languages = {"bash"},
     .quotes = "'\"`",
     .long_quotes = "'\"`",
     .raw_quotes = "'",
     .line_comment = "#",
     .shell = true,
     .trailing = shell_trailing},
    {.languages = {"r"},
     .quotes = "'\"`",
     .long_quotes = "'\"`",
     .raw_quotes = "`",
     .line_comment = "#",
     .trailing = r_trailing},
    {.languages = {"java"},
     .quotes = "'\"",
     .long_quotes = "",
     .raw_quotes = "",
     .triple = true,
     .line_comment = "//",
     .block_comment = true,
     .trailing = no_trailing},
};

struct scan {
    const struct syntax *syntax;
    const char *at, *end;
    long depth;         /* open brackets */
    long words;         /* open words of the shell: if, case, for */
    bool open;          /* the text ends inside a string or a comment */
    bool block;         /* a line ended with a colon */
    bool line_start;    /* only blanks since the line began */
    const char *last;   /* the last character that is neither blank nor comment */
    char here_word[64]; /* of a here-document that begins with the next line */
};

static bool at_text(const struct scan *scan, const char *text)
{
    size_t len = strlen(text);

    return (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, text, len) == 0;
}

static const char *end_of_line(const struct scan *scan)
{
    const char *stop = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));

    return stop ? stop : scan->end;
}

static void skip_long_string(struct scan *scan, const char *quote, bool escapes)
{
    scan->at += strlen(quote);
    for (; scan->at < scan->end; scan->at++) {
        if (escapes && *scan->at == '\\' && scan->at + 1 < scan->end) {
            scan->at++;
        } else if (at_text(scan, quote)) {
            scan->at += strlen(quote);
            return;
        }
    }
    scan->open = true;
}

/* Ends with its line whatever happens: a quote too many is the interpreter's to complain about. */
static void skip_short_string(struct scan *scan, char quote)
{
    for (scan->at++; scan->at < scan->end && *scan->at != '\n'; scan->at++) {
        if (*scan->at == quote) {
            scan->at++;
            return;
        }
        if (*scan->at == '\\' && scan->at + 1 < scan->end)
            scan->at++;
    }
}

static void skip_string(struct scan *scan)
{
    const char quote[] = {*scan->at, '\0'};
    const char triple[] = {*scan->at, *scan->at, *scan->at, '\0'};
    const struct syntax *syntax = scan->syntax;

    if (syntax->triple && at_text(scan, triple))
        skip_long_string(scan, triple, true);
    else if (strchr(syntax->long_quotes, quote[0]))
        skip_long_string(scan, quote, !strchr(syntax->raw_quotes, quote[0]));
    else
        skip_short_string(scan, quote[0]);
    scan->last = scan->at - 1;
}

/* A slash where a value cannot have ended begins a regular expression. */
static bool is_regex(const struct scan *scan)
{
    return scan->syntax->regex && *scan->at == '/' &&
           (!scan->last || strchr("(,=:[!&|?{};+-*%<>~^", *scan->last));
}

static void skip_regex(struct scan *scan)
{
    bool in_class = false;

    for (scan->at++; scan->at < scan->end && *scan->at != '\n'; scan->at++) {
        if (*scan->at == '\\' && scan->at + 1 < scan->end)
            scan->at++;
        else if (*scan->at == '[')
            in_class = true;
        else if (*scan->at == ']')
            in_class = false;
        else if (*scan->at == '/' && !in_class)
            break;
    }
    if (scan->at < scan->end && *scan->at == '/')
        scan->at++;
    scan->last = scan->at - 1;
}

/* ---- the shell ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* Where a command may begin only: `echo if` opens nothing. */
static void count_word(struct scan *scan, bool command)
{
    static const struct {
        const char *word;
        long change;
    } words[] = {{"if", 1},    {"fi", -1},   {"case", 1},   {"esac", -1}, {"for", 1},
                 {"while", 1}, {"until", 1}, {"select", 1}, {"done", -1}};
    static const char *const before[] = {"if", "then", "elif", "else", "while", "until", "do"};
    const char *start = scan->at;

    while (scan->at < scan->end && is_word(*scan->at))
        scan->at++;
    size_t len = (size_t)(scan->at - start);
    for (size_t i = 0; command && i < WR_ARRAY_SIZE(words); i++)
        if (strlen(words[i].word) == len && memcmp(start, words[i].word, len) == 0)
            scan->words += words[i].change;
    scan->last = scan->at - 1;
    /* A command follows these words. */
    for (size_t i = 0; command && i < WR_ARRAY_SIZE(before); i++)
        if (strlen(before[i]) == len && memcmp(start, before[i], len) == 0)
            scan->last = NULL;
}

/* "<<WORD" or "<<-'WORD'", not "<<<". */
static void note_here_document(struct scan *scan)
{
    size_t n = 0;

    scan->at += 2;
    if (scan->at < scan->end && *scan->at == '<')
        return;
    while (scan->at < scan->end && strchr("- \t'\"\\", *scan->at))
        scan->at++;
    while (scan->at < scan->end && is_word(*scan->at) && n + 1 < sizeof scan->here_word)
        scan->here_word[n++] = *scan->at++;
    scan->here_word[n] = '\0';
    while (scan->at < scan->end && strchr("'\"", *scan->at))
        scan->at++;
}

/* Behind the line break: to the line that is the word alone. */
static void skip_here_document(struct scan *scan)
{
    size_t len = strlen(scan->here_word);

    scan->open = true;
    while (scan->open && scan->at < scan->end) {
        const char *stop = end_of_line(scan);
        const char *start = scan->at;
        while (start < stop && *start == '\t')
            start++;
        if ((size_t)(stop - start) == len && memcmp(start, scan->here_word, len) == 0)
            scan->open = false;
        scan->at = stop < scan->end ? stop + 1 : stop;
    }
    scan->here_word[0] = '\0';
}

/* ---- one step ---- */

static void line_break(struct scan *scan)
{
    if (scan->syntax->blocks && scan->depth == 0 && scan->last && *scan->last == ':')
        scan->block = true;
    scan->at++;
    scan->line_start = true;
    if (scan->here_word[0])
        skip_here_document(scan);
    if (scan->syntax->shell && scan->last && *scan->last != '\\')
        scan->last = NULL; /* a command may begin */
}

static bool is_line_comment(const struct scan *scan)
{
    if (!at_text(scan, scan->syntax->line_comment))
        return false;
    /* In the shell a number sign inside a word is one of its letters. */
    return !scan->syntax->shell || scan->line_start || strchr(" \t;(", scan->at[-1]);
}

static bool command_position(const struct scan *scan)
{
    return !scan->last || strchr(";|&({!", *scan->last);
}

static void step_shell(struct scan *scan, bool *taken)
{
    *taken = true;
    if (*scan->at == '\\' && scan->at + 1 < scan->end && scan->at[1] != '\n')
        scan->at += 2;
    else if (at_text(scan, "<<"))
        note_here_document(scan);
    else if (is_word(*scan->at))
        count_word(scan, command_position(scan));
    else
        *taken = false;
}

static void step(struct scan *scan)
{
    const struct syntax *syntax = scan->syntax;
    bool taken = false;
    char c = *scan->at;

    if (c == '\n') {
        line_break(scan);
        return;
    }
    if (is_line_comment(scan)) {
        scan->at = end_of_line(scan);
        return;
    }
    if (syntax->block_comment && at_text(scan, "/*")) {
        const char *last = scan->last;
        skip_long_string(scan, "*/", false);
        scan->last = last;
        return;
    }
    if (syntax->shell)
        step_shell(scan, &taken);
    if (taken) {
        scan->line_start = false;
        return;
    }
    if (!strchr(" \t\r", c)) {
        scan->line_start = false;
        if (strchr(syntax->quotes, c)) {
            skip_string(scan);
            return;
        }
        if (is_regex(scan)) {
            skip_regex(scan);
            return;
        }
        if (strchr("([{", c))
            scan->depth++;
        else if (strchr(")]}", c) && scan->depth > 0)
            scan->depth--;
        scan->last = scan->at;
    }
    scan->at++;
}

static bool ends_with_one_of(const char *text, const char *last, const char *const *endings)
{
    for (; last && *endings; endings++) {
        size_t len = strlen(*endings);
        if ((size_t)(last + 1 - text) >= len && memcmp(last + 1 - len, *endings, len) == 0)
            return true;
    }
    return false;
}

static const struct syntax *syntax_of(const struct wr_cell_language *language)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(syntaxes); i++)
        for (size_t j = 0; j < WR_ARRAY_SIZE(syntaxes[i].languages); j++)
            if (syntaxes[i].languages[j] && wr_streq(syntaxes[i].languages[j], language->name))
                return &syntaxes[i];
    return &syntaxes[0];
}

enum wr_input_state wr_input_state_of(const struct wr_cell_language *language, const char *text,
                                      size_t len)
{
    struct scan scan = {
        .syntax = syntax_of(language), .at = text, .end = text + len, .line_start = true};
    const char *last = NULL;

    while (scan.at < scan.end) {
        step(&scan);
        if (scan.last)
            last = scan.last;
    }
    if (scan.open || scan.depth > 0 || scan.words > 0 || scan.here_word[0] ||
        ends_with_one_of(text, last, scan.syntax->trailing))
        return WR_INPUT_OPEN;
    if (scan.syntax->blocks &&
        (scan.block || (last && *last == ':') || (len > 0 && text[0] == '@') ||
         (len > 1 && memcmp(text, "%%", 2) == 0)))
        return WR_INPUT_BLOCK;
    return WR_INPUT_COMPLETE;
}

static bool begins_with_word(const char *line, size_t len, const char *word)
{
    size_t n = strlen(word);

    return len >= n && memcmp(line, word, n) == 0 && (len == n || !is_word(line[n]));
}

bool wr_input_continues(const char *text, size_t len, const char *line, size_t line_len)
{
    static const char *const words[] = {"else", "elif", "except", "finally"};
    const char *last = text + len;

    if (line_len == 0 || strchr(" \t\r#", line[0]))
        return true;
    if (len > 1 && memcmp(text, "%%", 2) == 0)
        return true;
    for (size_t i = 0; i < WR_ARRAY_SIZE(words); i++)
        if (begins_with_word(line, line_len, words[i]))
            return true;
    /* A decorator waits for what it decorates. */
    while (last > text && strchr("\r\n", last[-1]))
        last--;
    while (last > text && last[-1] != '\n')
        last--;
    return *last == '@';
}
