#include "json/jread.h"
#include "template/base_definition.h"
#include "template/base_template.h"
#include "template/layer.h"
#include "test.h"

TEST(hash_is_stable)
{
    struct wr_error err = {0};
    char one[65], two[65];
    CHECK_INT(wr_base_layer_hash(one, &err), 0);
    CHECK_INT(wr_base_layer_hash(two, &err), 0);
    CHECK_STR(one, two);
    CHECK(wr_layer_hash_valid(one));
}

TEST(definition_holds_everything_that_shapes_the_tree)
{
    wr_auto_buf out = WR_BUF(65536);
    CHECK_INT(wr_base_definition(&out), 0);
    const char *text = wr_buf_cstr(&out);
    for (const char *const *p = wr_base_packages; *p; p++)
        CHECK(strstr(text, *p));
    for (const char *const *p = wr_base_sources; *p; p++)
        CHECK(strstr(text, *p));
    for (const char *const *p = wr_base_tool_opts; *p; p++)
        CHECK(strstr(text, *p));
    CHECK(strstr(text, wr_base_fetch));
    CHECK(strstr(text, wr_base_customize));
    for (size_t i = 0; i < wr_base_empty_dir_count; i++)
        CHECK(strstr(text, wr_base_empty_dirs[i].path));
}

TEST(small_buffer_is_reported)
{
    wr_auto_buf out = WR_BUF(64);
    CHECK(wr_base_definition(&out) < 0);
}

TEST(environment_is_an_object_of_strings)
{
    struct wr_error err = {0};
    wr_auto_json *env = NULL;
    CHECK_INT(wr_json_parse(WR_BASE_ENV, strlen(WR_BASE_ENV), &env, &err), 0);
    CHECK_STR(json_string_value(json_object_get(env, "LANG")), "C.UTF-8");
}
