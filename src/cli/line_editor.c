#include "cli/line_editor.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <stdio.h>
#include <unistd.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"

#define HISTORY_LINES 2000
#define CTRL_C        3
#define INDENT        "    "

struct wr_line_editor {
    EditLine *edit;
    History *history;
    struct wr_input_wait *wait;
    const char *prompt;
    char *path; /* of the history; NULL: none */
    struct wr_buf line;
    bool interrupted;
};

static char *prompt_of(EditLine *edit)
{
    struct wr_line_editor *editor = NULL;
    static char none[] = "";

    if (el_get(edit, EL_CLIENTDATA, &editor) < 0 || !editor)
        return none;
    return (char *)(uintptr_t)editor->prompt; /* not written to */
}

/* One character; the loop runs until there is one. */
static int read_character(EditLine *edit, wchar_t *ret)
{
    struct wr_line_editor *editor = NULL;
    struct wr_error error = {0};
    mbstate_t state = {0};

    if (el_get(edit, EL_CLIENTDATA, &editor) < 0 || !editor)
        return -1;
    for (;;) {
        char byte;
        if (wr_input_wait(editor->wait, &error) < 0) {
            *ret = CTRL_C;
            return 1;
        }
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(ret, &byte, 1, &state);
        if (used == (size_t)-2)
            continue;
        if (used == (size_t)-1) {
            *ret = L'?';
            state = (mbstate_t){0};
        }
        return 1;
    }
}

/* Ends the line; the caller drops it. */
static unsigned char on_interrupt(EditLine *edit, int c)
{
    struct wr_line_editor *editor = NULL;

    (void)c;
    if (el_get(edit, EL_CLIENTDATA, &editor) == 0 && editor)
        editor->interrupted = true;
    fputs("^C\n", stdout);
    return CC_NEWLINE;
}

static unsigned char on_tab(EditLine *edit, int c)
{
    (void)c;
    return el_insertstr(edit, INDENT) < 0 ? CC_ERROR : CC_REFRESH;
}

static void set_up(struct wr_line_editor *editor)
{
    static const struct {
        const char *key, *command;
    } keys[] = {
        {"^C", "warren-interrupt"},   {"\t", "warren-indent"},
        {"^R", "em-inc-search-prev"}, {"\\e[3~", "ed-delete-next-char"},
        {"\\e[1;5C", "em-next-word"}, {"\\e[1;5D", "ed-prev-word"},
        {"\\e[H", "ed-move-to-beg"},  {"\\e[F", "ed-move-to-end"},
        {"\\e[1~", "ed-move-to-beg"}, {"\\e[4~", "ed-move-to-end"},
    };
    EditLine *edit = editor->edit;

    /* What a terminal does not support is missing then, nothing more. */
    (void)el_set(edit, EL_CLIENTDATA, editor);
    (void)el_set(edit, EL_PROMPT, prompt_of);
    (void)el_set(edit, EL_EDITOR, "emacs");
    (void)el_set(edit, EL_SIGNAL, 0);
    (void)el_set(edit, EL_HIST, history, editor->history);
    (void)el_set(edit, EL_GETCFN, read_character);
    (void)el_set(edit, EL_ADDFN, "warren-interrupt", "Drop the line", on_interrupt);
    (void)el_set(edit, EL_ADDFN, "warren-indent", "Insert blanks", on_tab);
    for (size_t i = 0; i < WR_ARRAY_SIZE(keys); i++)
        (void)el_set(edit, EL_BIND, keys[i].key, keys[i].command, NULL);
    (void)el_source(edit, NULL);
}

/* $XDG_STATE_HOME/warren/NAME, else ~/.local/state/warren/NAME; NULL: there is no such place. */
static char *history_path(const char *name)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    wr_auto_free char *dir = NULL;

    if (state && state[0] == '/')
        dir = wr_asprintf("%s/warren", state);
    else if (home && home[0] == '/')
        dir = wr_asprintf("%s/.local/state/warren", home);
    if (!dir || wr_mkdir_parents(AT_FDCWD, dir, 0700) < 0)
        return NULL;
    return wr_asprintf("%s/%s", dir, name);
}

int wr_line_editor_new(const char *name, struct wr_input_wait *wait, struct wr_line_editor **ret,
                       struct wr_error *err)
{
    struct wr_line_editor *editor = wr_calloc(1, sizeof *editor);
    HistEvent event;

    if (!editor)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "prompt");
    editor->wait = wait;
    editor->prompt = "";
    wr_buf_init(&editor->line, 16 * WR_MIB);
    editor->history = history_init();
    editor->edit = el_init("warren", stdin, stdout, stderr);
    if (!editor->history || !editor->edit) {
        wr_line_editor_free(editor);
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the terminal cannot edit lines");
    }
    (void)history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    (void)history(editor->history, &event, H_SETUNIQUE, 1);
    set_up(editor);
    editor->path = name ? history_path(name) : NULL;
    /* The first time there is none. */
    if (editor->path)
        (void)history(editor->history, &event, H_LOAD, editor->path);
    *ret = editor;
    return 0;
}

/* As a whole, so that what another prompt reads is never half a file. libedit makes it 0600. */
static void save_history(struct wr_line_editor *editor)
{
    char random[9];
    HistEvent event;

    if (!editor->path)
        return;
    wr_random_id(random, sizeof random - 1);
    wr_auto_free char *fresh = wr_asprintf("%s.%s", editor->path, random);
    if (!fresh)
        return;
    if (history(editor->history, &event, H_SAVE, fresh) < 0 || rename(fresh, editor->path) < 0)
        (void)unlink(fresh);
}

struct wr_line_editor *wr_line_editor_free(struct wr_line_editor *editor)
{
    if (!editor)
        return NULL;
    if (editor->edit && editor->history)
        save_history(editor);
    if (editor->edit)
        el_end(editor->edit);
    if (editor->history)
        history_end(editor->history);
    wr_buf_done(&editor->line);
    free(editor->path);
    free(editor);
    return NULL;
}

enum wr_line_result wr_line_editor_read(struct wr_line_editor *editor, const char *prompt,
                                        const char **ret)
{
    HistEvent event;
    int count = 0;

    editor->prompt = prompt;
    editor->interrupted = false;
    el_resize(editor->edit);
    /* Before the prompt is seen, so that Ctrl-D right behind it is not the terminal's own. */
    (void)el_set(editor->edit, EL_PREP_TERM, 1);
    const char *line = el_gets(editor->edit, &count);
    if (editor->interrupted)
        return WR_LINE_INTERRUPT;
    if (!line || count <= 0)
        return WR_LINE_END;
    size_t len = strcspn(line, "\n");
    wr_buf_clear(&editor->line);
    if (wr_buf_append(&editor->line, line, len) < 0)
        return WR_LINE_END;
    *ret = wr_buf_cstr(&editor->line);
    if (!*ret)
        return WR_LINE_END;
    if (len > 0)
        (void)history(editor->history, &event, H_ENTER, *ret);
    return WR_LINE_READ;
}
