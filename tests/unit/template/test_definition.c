#include "json/jread.h"
#include "template/base_definition.h"
#include "template/full_definition.h"
#include "template/layer.h"
#include "test.h"

TEST(hashes_are_stable_and_differ)
{
    struct wr_error err = {0};
    char one[65], two[65], full[65];
    CHECK_INT(wr_definition_hash(&wr_base_definition, one, &err), 0);
    CHECK_INT(wr_definition_hash(&wr_base_definition, two, &err), 0);
    CHECK_INT(wr_definition_hash(&wr_full_definition, full, &err), 0);
    CHECK_STR(one, two);
    CHECK(strcmp(one, full) != 0);
    CHECK(wr_layer_hash_valid(one) && wr_layer_hash_valid(full));
}

TEST(hash_changes_with_the_layer_below)
{
    static const char *const packages[] = {"x", NULL};
    static const struct wr_download none[] = {{0}};
    static const struct wr_definition lower = {
        .name = "lower", .packages = packages, .downloads = none, .customize = ""};
    struct wr_definition upper = {
        .name = "upper", .packages = packages, .downloads = none, .customize = ""};
    struct wr_error err = {0};
    char alone[65], on_lower[65], on_base[65];
    CHECK_INT(wr_definition_hash(&upper, alone, &err), 0);
    upper.below = &lower;
    CHECK_INT(wr_definition_hash(&upper, on_lower, &err), 0);
    upper.below = &wr_base_definition;
    CHECK_INT(wr_definition_hash(&upper, on_base, &err), 0);
    CHECK(strcmp(alone, on_lower) != 0 && strcmp(on_lower, on_base) != 0);
}

TEST(text_holds_everything_that_shapes_the_layer)
{
    for (size_t k = 0; wr_definition_at(k); k++) {
        const struct wr_definition *d = wr_definition_at(k);
        const char *const *const lists[] = {d->packages, d->sources, d->options};
        wr_auto_buf out = WR_BUF(65536);
        CHECK_INT(wr_definition_write(d, &out), 0);
        const char *text = wr_buf_cstr(&out);
        for (size_t i = 0; i < WR_ARRAY_SIZE(lists); i++)
            for (const char *const *p = lists[i]; p && *p; p++)
                CHECK(strstr(text, *p));
        for (const struct wr_download *file = d->downloads; file->url; file++)
            CHECK(strstr(text, file->sum) && strstr(text, file->url));
        CHECK(strstr(text, d->customize));
        for (size_t i = 0; i < wr_empty_dir_count; i++)
            CHECK(strstr(text, wr_empty_dirs[i].path));
    }
}

TEST(every_definition_is_found_after_the_one_below_it)
{
    size_t count = 0;
    for (; wr_definition_at(count); count++) {
        const struct wr_definition *d = wr_definition_at(count);
        bool seen = !d->below;
        CHECK(wr_definition_find(d->name) == d);
        for (size_t k = 0; k < count; k++)
            seen |= wr_definition_at(k) == d->below;
        CHECK(seen);
    }
    CHECK_INT(count, 2);
    CHECK_STR(wr_definition_at(0)->name, "base");
    CHECK(!wr_definition_find("code-interpreter-v1"));
}

TEST(base_is_what_the_interpreter_sdks_ask_for)
{
    CHECK_STR(wr_base_definition.aliases[0], "code-interpreter-v1");
    CHECK(!wr_base_definition.aliases[1]);
}

TEST(downloads_are_pinned)
{
    for (size_t k = 0; wr_definition_at(k); k++)
        for (const struct wr_download *file = wr_definition_at(k)->downloads; file->url; file++) {
            size_t len = strlen(file->sum);
            CHECK(len == 64 || len == 128);
            CHECK_INT(strspn(file->sum, "0123456789abcdef"), len);
            CHECK(strncmp(file->url, "https://", 8) == 0 && !strchr(file->url, '\''));
        }
}

static const char *fetch_script(const char *machine, struct wr_buf *out)
{
    CHECK_INT(wr_definition_fetch_script(&wr_full_definition, machine, out), 0);
    return wr_buf_cstr(out);
}

TEST(each_machine_fetches_its_own_files)
{
    wr_auto_buf first = WR_BUF(65536), second = WR_BUF(65536);
    const char *x86 = fetch_script("x86_64", &first), *arm = fetch_script("aarch64", &second);
    CHECK(strstr(x86, "x86_64.whl") && !strstr(x86, "aarch64.whl"));
    CHECK(strstr(arm, "aarch64.whl") && !strstr(arm, "x86_64.whl"));
    CHECK(strstr(x86, "none-any.whl") && strstr(arm, "none-any.whl"));
    CHECK(strstr(x86, "\nget 1/35 ") && strstr(x86, "\nget 35/35 "));
}

TEST(small_buffer_is_reported)
{
    wr_auto_buf out = WR_BUF(64);
    CHECK(wr_definition_write(&wr_base_definition, &out) < 0);
    CHECK(wr_definition_fetch_script(&wr_base_definition, "x86_64", &out) < 0);
}

TEST(environment_is_an_object_of_strings)
{
    struct wr_error err = {0};
    wr_auto_json *env = NULL;
    const char *text = wr_base_definition.env_json;
    CHECK_INT(wr_json_parse(text, strlen(text), &env, &err), 0);
    CHECK_STR(json_string_value(json_object_get(env, "LANG")), "C.UTF-8");
}
