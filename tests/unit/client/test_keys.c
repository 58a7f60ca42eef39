#include "client/keys.h"
#include "test.h"

static const json_t *teams(void)
{
    static json_t *list;

    if (!list)
        list = json_loads("[{\"teamID\": \"id-1\", \"name\": \"Default\", \"slug\": \"default\"},"
                          " {\"teamID\": \"id-2\", \"name\": \"default\", \"slug\": \"blue\"},"
                          " {\"teamID\": \"id-3\", \"name\": \"Blue team\", \"slug\": \"x\"}, 5]",
                          0, NULL);
    CHECK(list);
    return list;
}

static const char *found(const char *wanted)
{
    return json_string_value(json_object_get(wr_team_find(teams(), wanted), "teamID"));
}

TEST(teams_by_id_short_name_and_name)
{
    CHECK_STR(found("id-2"), "id-2");
    CHECK_STR(found("default"), "id-1"); /* the short name, which is unique, goes first */
    CHECK_STR(found("Blue team"), "id-3");
    CHECK(!found("blue team"));
    CHECK(!found(""));
}

TEST(ids_are_checked_before_they_are_part_of_a_path)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "../sandboxes",
                                        "00000000-0000-0000-0000-00000000000",
                                        "00000000-0000-0000-0000-00000000000/",
                                        "00000000-0000-0000-0000-000000000000x"};
    struct wr_error err = {0};

    for (size_t i = 0; i < WR_ARRAY_SIZE(wrong); i++)
        CHECK_INT(wr_key_remove(NULL, wrong[i], &err), -WR_E_INVALID_ARGUMENT);
}
