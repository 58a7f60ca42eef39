#include "template/template_id.h"
#include "test.h"

/* Clients keep them: they must never change. */
TEST(ids_are_stable)
{
    char id[WR_TEMPLATE_ID_LEN + 1], other[WR_TEMPLATE_ID_LEN + 1];
    wr_template_id("base", id);
    wr_template_id("bas", other);
    CHECK_STR(id, "6epttkhn2zpwnc5lgw7z");
    CHECK_INT(strlen(other), WR_TEMPLATE_ID_LEN);
    CHECK(strcmp(id, other) != 0);
}

TEST(build_ids_are_uuids_of_version_4)
{
    char id[WR_BUILD_ID_LEN + 1], other[WR_BUILD_ID_LEN + 1];
    wr_template_build_id("base", 1, id);
    wr_template_build_id("base", 2, other);
    CHECK(strcmp(id, other) != 0);
    CHECK_INT(strlen(id), WR_BUILD_ID_LEN);
    for (int i = 0; i < WR_BUILD_ID_LEN; i++)
        CHECK(i == 8 || i == 13 || i == 18 || i == 23 ? id[i] == '-'
                                                      : strchr("0123456789abcdef", id[i]) != NULL);
    CHECK_INT(id[14], '4');
    CHECK(strchr("89ab", id[19]));
}
