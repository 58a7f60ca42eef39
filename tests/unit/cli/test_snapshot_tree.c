#include <stdio.h>

#include "base/str.h"
#include "cli/snapshot_tree.h"
#include "json/jread.h"
#include "test.h"

static void draw(const char *nodes, const char *mark, struct wr_buf *out)
{
    wr_auto_json *tree = json_loads(nodes, 0, NULL);
    struct wr_error err = {0};

    CHECK(tree != NULL);
    CHECK_INT(wr_snapshot_tree_write(tree, mark, out, &err), 0);
    CHECK(wr_buf_cstr(out) != NULL);
}

TEST(children_stand_below_what_they_came_from)
{
    static const char nodes[] =
        "{\"nodes\":["
        "{\"kind\":\"sandbox\",\"id\":\"fork2\",\"parent\":\"s1\",\"createdAt\":\"T5\"},"
        "{\"kind\":\"snapshot\",\"id\":\"s2\",\"parent\":\"s1\",\"createdAt\":\"T3\"},"
        "{\"kind\":\"sandbox\",\"id\":\"a\",\"createdAt\":\"T1\",\"state\":\"running\"},"
        "{\"kind\":\"sandbox\",\"id\":\"fork1\",\"parent\":\"s2\",\"createdAt\":\"T4\"},"
        "{\"kind\":\"snapshot\",\"id\":\"s1\",\"parent\":\"a\",\"createdAt\":\"T2\","
        "\"names\":[\"t/one:v1\",\"t/two\"]}]}";
    wr_auto_buf out = WR_BUF(4096);

    draw(nodes, "s2", &out);
    CHECK_STR(wr_buf_cstr(&out), "sandbox a  running  T1\n"
                                 "`- snapshot s1  t/one:v1, t/two  T2\n"
                                 "   |- snapshot s2  T3  *\n"
                                 "   |  `- sandbox fork1  T4\n"
                                 "   `- sandbox fork2  T5\n");
}

TEST(what_has_no_parent_here_is_a_root)
{
    static const char nodes[] = "{\"nodes\":["
                                "{\"kind\":\"snapshot\",\"id\":\"b\",\"parent\":\"gone\"},"
                                "{\"kind\":\"snapshot\",\"id\":\"a\"}]}";
    wr_auto_buf out = WR_BUF(4096);

    draw(nodes, NULL, &out);
    CHECK_STR(wr_buf_cstr(&out), "snapshot a\nsnapshot b\n");
}

TEST(a_circle_is_drawn_once_and_ends)
{
    static const char nodes[] = "{\"nodes\":["
                                "{\"kind\":\"x\",\"id\":\"a\",\"parent\":\"c\"},"
                                "{\"kind\":\"x\",\"id\":\"b\",\"parent\":\"a\"},"
                                "{\"kind\":\"x\",\"id\":\"c\",\"parent\":\"b\"},"
                                "{\"kind\":\"x\",\"id\":\"self\",\"parent\":\"self\"}]}";
    wr_auto_buf out = WR_BUF(4096);

    draw(nodes, NULL, &out);
    CHECK_STR(wr_buf_cstr(&out), "x a\n`- x b\n   `- x c\nx self\n");
}

TEST(nothing_and_odd_things)
{
    wr_auto_buf none = WR_BUF(4096);
    wr_auto_buf odd = WR_BUF(4096);

    draw("{\"nodes\":[]}", NULL, &none);
    CHECK_INT(none.len, 0);
    draw("{\"nodes\":[1,{\"id\":\"a\\u001b[2Jb\",\"names\":[7,\"x\\ny\"]}]}", NULL, &odd);
    CHECK_STR(wr_buf_cstr(&odd), " \n a [2Jb  , x y\n");
}

/* A chain that is deeper than lines are wide, and more nodes than are drawn. */
TEST(depth_and_number_are_bounded)
{
    wr_auto_json *tree = json_object();
    json_t *nodes = json_array();
    wr_auto_buf out = WR_BUF((size_t)16 * 1024 * 1024);
    wr_auto_buf more = WR_BUF(4096);
    struct wr_error err = {0};
    char id[16], parent[16] = "";

    for (int i = 0; i < 10000; i++) {
        CHECK(wr_strformat(id, sizeof id, "n%05d", i));
        json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:s}", "kind", "snapshot", "id", id, "parent", parent));
        CHECK(wr_strcopy(parent, sizeof parent, id));
    }
    json_object_set_new(tree, "nodes", nodes);
    CHECK_INT(wr_snapshot_tree_write(tree, NULL, &out, &err), 0);
    CHECK(out.len < 10000 * 250);
    CHECK(strstr(wr_buf_cstr(&out), "snapshot n09999\n") != NULL);
    CHECK_INT(wr_snapshot_tree_write(tree, NULL, &more, &err), -WR_E_RESOURCE_EXHAUSTED);
    json_array_append_new(nodes, json_object());
    CHECK_INT(wr_snapshot_tree_write(tree, NULL, &out, &err), -WR_E_RESOURCE_EXHAUSTED);
}
