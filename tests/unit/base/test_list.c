#include "base/list.h"
#include "test.h"

struct item {
    int value;
    struct wr_list link;
};

TEST(append_remove_and_iterate)
{
    struct wr_list head = WR_LIST_INIT(head);
    struct item items[4] = {0};
    CHECK(wr_list_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].value = i;
        CHECK(!wr_list_linked(&items[i].link));
        wr_list_append(&head, &items[i].link);
        CHECK(wr_list_linked(&items[i].link));
    }
    int expected = 0;
    wr_list_foreach(it, &head) {
        struct item *item = wr_list_entry(it, struct item, link);
        CHECK_INT(item->value, expected++);
        if (item->value % 2)
            wr_list_remove(&item->link);
    }
    CHECK_INT(expected, 4);
    CHECK(!wr_list_linked(&items[1].link));
    wr_list_remove(&items[1].link); /* again: left alone */
    CHECK(head.next == &items[0].link && head.prev == &items[2].link);
    wr_list_remove(&items[0].link);
    wr_list_remove(&items[2].link);
    CHECK(wr_list_empty(&head));
}
