#include <unistd.h>

#include "base/str.h"
#include "fixture.h"
#include "template/base_definition.h"
#include "template/full_definition.h"
#include "template/make_command.h"
#include "test.h"

#define KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"

static bool has(const struct wr_make_command *c, const char *arg)
{
    for (size_t i = 0; i < c->argc; i++)
        if (wr_streq(c->argv[i], arg))
            return true;
    return false;
}

TEST(tree_comes_from_mmdebstrap)
{
    struct wr_error err = {0};
    wr_auto_layer_draft draft = WR_LAYER_DRAFT;
    wr_auto_make_command c = {.argc = 0};
    CHECK_INT(wr_layer_draft_open(fixture_data_dir(), 0, &draft, &err), 0);
    int rc = wr_make_command_build(&wr_base_definition, &draft, &c, &err);
    if (access(KEYRING, R_OK) < 0) {
        CHECK_INT(rc, -WR_E_FAILED_PRECONDITION);
        CHECK(strstr(err.msg, "debian-archive-keyring"));
        return;
    }
    CHECK_INT(rc, 0);
    CHECK_STR(c.argv[0], "mmdebstrap");
    CHECK(has(&c, "trixie") && has(&c, "--keyring=" KEYRING));
    CHECK(!c.argv[c.argc]);
    for (const char *const *p = wr_base_definition.sources; *p; p++)
        CHECK(has(&c, *p));
}

TEST(layer_names_what_is_below_relative_to_the_draft)
{
    struct wr_error err = {0};
    wr_auto_layer_draft draft = WR_LAYER_DRAFT;
    wr_auto_make_command c = {.argc = 0};
    char base[65], lower[80];
    CHECK_INT(wr_layer_draft_open(fixture_data_dir(), 0, &draft, &err), 0);
    CHECK_INT(wr_make_command_build(&wr_full_definition, &draft, &c, &err), 0);
    CHECK_STR(c.argv[0], "sh");
    CHECK(strstr(c.argv[4], draft.name));
    CHECK_INT(wr_definition_hash(&wr_base_definition, base, &err), 0);
    snprintf(lower, sizeof(lower), "../%s", base);
    CHECK_STR(c.argv[5], lower);
    for (const char *const *p = wr_full_definition.packages; *p; p++)
        CHECK(has(&c, *p));
    CHECK(!c.argv[c.argc]);
}
