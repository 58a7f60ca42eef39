/* Needs root, no network and no mmdebstrap: the layers that these tests ask for are
 * there, or fail before anything is downloaded. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fixture.h"
#include "template/layer.h"
#include "template/make.h"
#include "template/store.h"
#include "test.h"

static const char *const no_packages[] = {NULL};
static const char *const aliases[] = {"other-name", NULL};
static const struct wr_download no_downloads[] = {{0}};
static const struct wr_definition lower = {.name = "lower",
                                           .env_json = "{\"A\":\"1\"}",
                                           .aliases = aliases,
                                           .packages = no_packages,
                                           .downloads = no_downloads,
                                           .customize = ""};
static const struct wr_definition upper = {.name = "upper",
                                           .below = &lower,
                                           .packages = no_packages,
                                           .downloads = no_downloads,
                                           .customize = ""};

/* The layer of a definition, as if it had been made. */
static void place(int data, const struct wr_definition *d)
{
    struct wr_error err = {0};
    char hash[65], path[96];
    CHECK_INT(wr_definition_hash(d, hash, &err), 0);
    snprintf(path, sizeof(path), "layers/%s", hash);
    CHECK(mkdirat(data, path, 0755) == 0);
    size_t len = strlen(path);
    snprintf(path + len, sizeof(path) - len, "/file");
    int fd = openat(data, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, 100) == 0 && close(fd) == 0);
}

TEST(manifest_names_the_layers_from_below)
{
    struct wr_error err = {0};
    int data = fixture_data_dir();
    bool was_there = false;
    struct wr_make_opts opts = {.ret_was_there = &was_there};
    wr_auto_template t = {0};
    char hash[65];
    place(data, &lower);
    place(data, &upper);
    CHECK_INT(wr_template_make(data, &upper, &opts, &err), 0);
    CHECK(was_there);
    CHECK_INT(wr_template_load(data, "upper", &t, &err), 0);
    CHECK_INT(t.layer_count, 2);
    CHECK_INT(wr_definition_hash(&lower, hash, &err), 0);
    CHECK_STR(t.layers[0], hash);
    CHECK_INT(wr_definition_hash(&upper, hash, &err), 0);
    CHECK_STR(t.layers[1], hash);
    CHECK_INT(t.size_bytes, 200);
    CHECK_STR(t.env_json, "{\"A\":\"1\"}");
}

static void aliases_of(int data, const char *name, char *out, size_t cap)
{
    struct wr_error err = {0};
    wr_auto_template t = {0};
    CHECK_INT(wr_template_load(data, name, &t, &err), 0);
    snprintf(out, cap, "%zu %s", t.alias_count, t.alias_count ? t.aliases[0] : "");
}

TEST(aliases_go_with_the_name)
{
    struct wr_error err = {0};
    int data = fixture_data_dir();
    const struct wr_definition *base = wr_definition_find("base");
    struct wr_make_opts opts = {.name = NULL}, other = {.name = "mine"};
    char text[80];
    place(data, base);
    CHECK_INT(wr_template_make(data, base, &opts, &err), 0);
    CHECK_INT(wr_template_make(data, base, &other, &err), 0);
    aliases_of(data, "base", text, sizeof(text));
    CHECK_STR(text, "1 code-interpreter-v1");
    aliases_of(data, "mine", text, sizeof(text));
    CHECK_STR(text, "0 ");
    other.name = "code-interpreter-v1";
    CHECK_INT(wr_template_make(data, base, &other, &err), -WR_E_ALREADY_EXISTS);
    CHECK(strstr(err.msg, "is an alias of template base"));
}

TEST(unreadable_manifest_is_written_again)
{
    struct wr_error err = {0};
    int data = fixture_data_dir();
    const struct wr_definition *base = wr_definition_find("base");
    struct wr_make_opts opts = {.name = NULL};
    wr_auto_template t = {0};
    place(data, base);
    int fd = openat(data, "templates/base.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    fd = openat(data, "templates/broken.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK_INT(wr_template_make(data, base, &opts, &err), 0);
    CHECK_INT(wr_template_load(data, "base", &t, &err), 0);
}

/* An empty tree has no /proc to mount over. */
TEST(failure_names_the_line_and_leaves_nothing)
{
    struct wr_error err = {0};
    int data = fixture_data_dir();
    struct wr_make_opts opts = {.name = NULL};
    place(data, &lower);
    CHECK_INT(wr_template_make(data, &upper, &opts, &err), -WR_E_INTERNAL);
    if (!strstr(err.msg, "sh ended with status") || !strstr(err.msg, "mount: "))
        wr_test_fail(__FILE__, __LINE__, "\"%s\"", err.msg);
    CHECK_INT(fixture_count(data, "layers"), 1);
    CHECK_INT(fixture_count(data, "templates"), 0);
}
