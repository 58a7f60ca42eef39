#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "template/kept.h"
#include "template/store.h"
#include "test.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char top[64];
static int data = -1;
static struct wr_error err;

static void make_template(const char *name, const char *first, const char *second)
{
    struct wr_template t = {.layer_count = second ? 2 : 1, .user = "user"};
    CHECK(wr_strcopy(t.name, sizeof(t.name), name));
    CHECK(wr_strcopy(t.layers[0], sizeof(t.layers[0]), first));
    if (second)
        CHECK(wr_strcopy(t.layers[1], sizeof(t.layers[1]), second));
    t.env_json = wr_strdup("{}");
    CHECK_INT(wr_template_save(data, &t, &err), 0);
    wr_template_done(&t);
}

static void start(void)
{
    snprintf(top, sizeof(top), "/tmp/test_kept.XXXXXX");
    CHECK(mkdtemp(top));
    CHECK_INT(wr_data_dir_open(top, &data, &err), 0);
    CHECK_INT(wr_mkdir_parents(data, "layers/" A "/etc", 0755), 0);
    CHECK_INT(wr_mkdir_parents(data, "layers/" B, 0755), 0);
    make_template("one", A, B);
}

static void done(void)
{
    close(data);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

static bool exists(const char *path)
{
    return faccessat(data, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The names that `wanted` has in it. */
static bool is_in(const char *name, void *wanted)
{
    return strstr(wanted, name) != NULL;
}

static void collect(const char *used)
{
    char text[160];
    CHECK(wr_strcopy(text, sizeof(text), used));
    CHECK_INT(wr_kept_layers_collect(data, is_in, text, &err), 0);
}

TEST(a_kept_layer_survives_its_template)
{
    start();
    CHECK(!wr_layer_is_kept(data, A));
    CHECK_INT(wr_layer_keep(data, A, &err), 0);
    CHECK_INT(wr_layer_keep(data, A, &err), 0);
    CHECK(wr_layer_is_kept(data, A) && !wr_layer_is_kept(data, B));
    CHECK_INT(wr_template_remove(data, "one", &err), 0);
    CHECK(exists("layers/" A "/etc") && !exists("layers/" B));
    collect(A);
    CHECK(exists("layers/" A) && wr_layer_is_kept(data, A));
    collect("");
    CHECK(!exists("layers/" A) && !wr_layer_is_kept(data, A));
    done();
}

TEST(what_a_template_names_stays)
{
    start();
    CHECK_INT(wr_layer_keep(data, A, &err), 0);
    collect("");
    CHECK(!wr_layer_is_kept(data, A));
    CHECK(exists("layers/" A) && exists("layers/" B));
    done();
}

TEST(nothing_was_ever_kept)
{
    start();
    collect("");
    CHECK(exists("layers/" A) && exists("layers/" B));
    done();
}

TEST(device_layers_are_for_others_to_remove)
{
    start();
    CHECK_INT(wr_mkdir_parents(data, "layers/.warren-1-x", 0755), 0);
    CHECK_INT(wr_layer_keep(data, ".warren-1-x", &err), 0);
    collect("");
    CHECK(exists("layers/.warren-1-x") && !wr_layer_is_kept(data, ".warren-1-x"));
    done();
}

TEST(names_are_no_paths)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "../layers"};
    start();
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        CHECK_INT(wr_layer_keep(data, bad[i], &err), -WR_E_INVALID_ARGUMENT);
        CHECK(wr_layer_is_kept(data, bad[i])); /* it cannot be known */
    }
    done();
}

TEST(an_unreadable_template_keeps_everything)
{
    start();
    CHECK_INT(wr_layer_keep(data, A, &err), 0);
    CHECK_INT(wr_file_replace(data, "templates/two.json", "{", 1, 0600, WR_VOLATILE), 0);
    char none[1] = "";
    CHECK(wr_kept_layers_collect(data, is_in, none, &err) < 0);
    CHECK(exists("layers/" A) && wr_layer_is_kept(data, A));
    done();
}
