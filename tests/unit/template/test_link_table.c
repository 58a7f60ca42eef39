#include "template/link_table.h"
#include "test.h"

TEST(finds_what_was_added)
{
    struct wr_link_table t = {0};
    char path[32];
    CHECK(!wr_link_table_find(&t, 1, 1));
    for (ino_t i = 0; i < 5000; i++) {
        snprintf(path, sizeof(path), "p%lu", (unsigned long)i);
        CHECK_INT(wr_link_table_add(&t, 1, i, path), 0);
    }
    for (ino_t i = 0; i < 5000; i++) {
        snprintf(path, sizeof(path), "p%lu", (unsigned long)i);
        CHECK_STR(wr_link_table_find(&t, 1, i), path);
        CHECK(!wr_link_table_find(&t, 2, i));
    }
    wr_link_table_done(&t);
    CHECK(!wr_link_table_find(&t, 1, 1));
}

TEST(first_name_stays)
{
    struct wr_link_table t = {0};
    CHECK_INT(wr_link_table_add(&t, 1, 1, "first"), 0);
    CHECK_INT(wr_link_table_add(&t, 1, 1, "second"), 0);
    CHECK_STR(wr_link_table_find(&t, 1, 1), "first");
    wr_link_table_done(&t);
}
