#include "cli/snapshot_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

#define MAX_NODES ((size_t)10000)
#define MAX_DEPTH 64 /* deeper ones are drawn at this depth */
#define NONE      SIZE_MAX

struct node {
    const json_t *json;
    const char *id, *created;                     /* borrowed; "" when it has none */
    size_t parent, first_child, next, last_child; /* indexes; NONE */
    bool drawn;
};

struct drawing {
    struct node *nodes; /* owned; the oldest first */
    size_t count;
    const char *mark;
    struct wr_buf *out;
    bool last[MAX_DEPTH]; /* of the ancestors: nothing follows beside it */
    int error;
};

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "";
}

/* ---- who is below whom ---- */

static int by_age(const void *a, const void *b)
{
    const struct node *x = a, *y = b;
    int order = strcmp(x->created, y->created);

    return order ? order : strcmp(x->id, y->id);
}

struct by_id {
    const char *id;
    size_t index;
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct by_id *)a)->id, ((const struct by_id *)b)->id);
}

/* True when `index` is above itself, which no list of ours may be. */
static bool is_in_circle(const struct drawing *drawing, size_t index)
{
    size_t steps = 0;

    for (size_t at = drawing->nodes[index].parent; at != NONE; at = drawing->nodes[at].parent)
        if (at == index || ++steps > drawing->count)
            return true;
    return false;
}

static void add_child(struct drawing *drawing, size_t parent, size_t child)
{
    struct node *above = &drawing->nodes[parent];

    if (above->last_child == NONE)
        above->first_child = child;
    else
        drawing->nodes[above->last_child].next = child;
    above->last_child = child;
}

static int link_nodes(struct drawing *drawing, struct wr_error *err)
{
    wr_auto_free struct by_id *ids = wr_calloc(drawing->count + 1, sizeof *ids);

    if (!ids)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tree");
    for (size_t i = 0; i < drawing->count; i++)
        ids[i] = (struct by_id){drawing->nodes[i].id, i};
    qsort(ids, drawing->count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < drawing->count; i++) {
        const struct by_id key = {.id = text_of(drawing->nodes[i].json, "parent")};
        const struct by_id *found =
            *key.id ? bsearch(&key, ids, drawing->count, sizeof *ids, compare_ids) : NULL;
        if (found)
            drawing->nodes[i].parent = found->index;
    }
    for (size_t i = 0; i < drawing->count; i++)
        if (is_in_circle(drawing, i))
            drawing->nodes[i].parent = NONE;
    for (size_t i = 0; i < drawing->count; i++)
        if (drawing->nodes[i].parent != NONE)
            add_child(drawing, drawing->nodes[i].parent, i);
    return 0;
}

/* ---- lines ---- */

static void append(struct drawing *drawing, const char *text)
{
    if (drawing->error == 0)
        drawing->error = wr_buf_append_str(drawing->out, text);
}

/* Others have written it. */
static void append_foreign(struct drawing *drawing, const char *before, const char *text)
{
    wr_auto_free char *line = wr_strdup(text);

    if (!line) {
        drawing->error = -ENOMEM;
        return;
    }
    wr_utf8_make_line(line);
    append(drawing, before);
    append(drawing, line);
}

static void draw_line(struct drawing *drawing, const struct node *node, size_t depth)
{
    const char *state = text_of(node->json, "state");
    const json_t *name;
    size_t i;

    for (size_t level = 1; level < depth; level++)
        append(drawing, drawing->last[level] ? "   " : "|  ");
    if (depth > 0)
        append(drawing, drawing->last[depth] ? "`- " : "|- ");
    append_foreign(drawing, "", text_of(node->json, "kind"));
    append_foreign(drawing, " ", node->id);
    json_array_foreach(json_object_get(node->json, "names"), i, name)
        append_foreign(drawing, i ? ", " : "  ",
                       json_is_string(name) ? json_string_value(name) : "");
    if (*state)
        append_foreign(drawing, "  ", state);
    if (*node->created)
        append_foreign(drawing, "  ", node->created);
    if (drawing->mark && wr_streq(drawing->mark, node->id))
        append(drawing, "  *");
    append(drawing, "\n");
}

/* Without recursion: how deep they are is for others to say. */
static void draw_from(struct drawing *drawing, size_t root)
{
    size_t at = root, depth = 0;

    for (;;) {
        struct node *node = &drawing->nodes[at];
        if (!node->drawn) {
            size_t shown = WR_MIN(depth, (size_t)MAX_DEPTH - 1);
            drawing->last[shown] = node->next == NONE;
            draw_line(drawing, node, shown);
            node->drawn = true;
            if (node->first_child != NONE) {
                at = node->first_child;
                depth++;
                continue;
            }
        }
        if (at == root)
            return;
        if (node->next != NONE) {
            at = node->next;
        } else {
            at = node->parent;
            depth--;
        }
    }
}

static int read_nodes(const json_t *list, struct drawing *drawing, struct wr_error *err)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) > MAX_NODES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "tree: more than %zu nodes", MAX_NODES);
    drawing->nodes = wr_calloc(json_array_size(list) + 1, sizeof *drawing->nodes);
    if (!drawing->nodes)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tree");
    json_array_foreach(list, i, item)
        drawing->nodes[drawing->count++] = (struct node){.json = item,
                                                         .id = text_of(item, "id"),
                                                         .created = text_of(item, "createdAt"),
                                                         .parent = NONE,
                                                         .first_child = NONE,
                                                         .next = NONE,
                                                         .last_child = NONE};
    qsort(drawing->nodes, drawing->count, sizeof *drawing->nodes, by_age);
    return 0;
}

int wr_snapshot_tree_write(const json_t *tree, const char *mark, struct wr_buf *out,
                           struct wr_error *err)
{
    struct drawing drawing = {.mark = mark, .out = out};

    int r = read_nodes(json_object_get(tree, "nodes"), &drawing, err);
    if (r == 0)
        r = link_nodes(&drawing, err);
    for (size_t i = 0; r == 0 && i < drawing.count; i++)
        if (drawing.nodes[i].parent == NONE)
            draw_from(&drawing, i);
    free(drawing.nodes);
    if (r == 0 && drawing.error < 0)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -drawing.error, "the tree is too large");
    return r;
}
