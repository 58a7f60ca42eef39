#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "fixture.h"
#include "template/layer.h"
#include "template/store.h"
#include "test.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void save(int data, const char *name, const char *first, const char *second)
{
    struct wr_error err = {0};
    wr_auto_template t = {
        .layer_count = second ? 2 : 1, .user = "user", .env_json = wr_strdup("{}")};
    CHECK(wr_strcopy(t.name, sizeof(t.name), name));
    CHECK(wr_strcopy(t.layers[0], sizeof(t.layers[0]), first));
    CHECK(!second || wr_strcopy(t.layers[1], sizeof(t.layers[1]), second));
    CHECK_INT(wr_template_save(data, &t, &err), 0);
}

TEST(data_dir_is_private)
{
    int data = fixture_data_dir();
    struct stat st;
    CHECK(fchmod(data, 0755) == 0);
    close(data);
    data = fixture_data_dir();
    CHECK(fstat(data, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0711);
    CHECK(fstatat(data, "layers", &st, 0) == 0);
    CHECK_INT(st.st_mode & 07777, 0700);
    CHECK(fstatat(data, "templates", &st, 0) == 0);
    CHECK_INT(st.st_mode & 07777, 0700);
}

TEST(directory_of_others_stays_as_it_is)
{
    struct wr_error err = {0};
    struct stat st;
    char dir[] = "/tmp/warren-store-XXXXXX", file[64];
    int fd = -1;
    CHECK(mkdtemp(dir) && chmod(dir, 0755) == 0);
    CHECK(wr_strformat(file, sizeof(file), "%s/other", dir) && mkdir(file, 0755) == 0);
    CHECK_INT(wr_data_dir_open(dir, &fd, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(fd, -1);
    CHECK(strstr(err.msg, dir) && strstr(err.msg, "0755"));
    CHECK(stat(dir, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0755);
    /* An empty one is taken. */
    CHECK(rmdir(file) == 0);
    CHECK_INT(wr_data_dir_open(dir, &fd, &err), 0);
    CHECK(fstat(fd, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0711);
    CHECK(unlinkat(fd, "layers", AT_REMOVEDIR) == 0 &&
          unlinkat(fd, "templates", AT_REMOVEDIR) == 0);
    close(fd);
    CHECK(rmdir(dir) == 0);
}

TEST(data_dir_that_is_a_file_is_refused)
{
    struct wr_error err = {0};
    int fd = -1;
    CHECK(wr_data_dir_open(fixture_file("plain", ""), &fd, &err) < 0);
    CHECK_INT(fd, -1);
    CHECK(strstr(err.msg, "plain"));
}

TEST(missing_template_names_the_command_and_the_others)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    wr_auto_template t = {0};
    CHECK_INT(wr_template_load(data, "base", &t, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "make-base"));
    save(data, "zeta", HASH_A, NULL);
    save(data, "alpha", HASH_A, NULL);
    CHECK_INT(wr_template_load(data, "base", &t, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "alpha, zeta"));
}

TEST(names_that_could_leave_the_directory_are_refused)
{
    static const char *const names[] = {
        "",
        ".",
        "..",
        "../base",
        "a/b",
        ".a",
        "-a",
        "A",
        "a..b",
        "a\n",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    int data = fixture_data_dir();
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        struct wr_error err = {0};
        wr_auto_template t = {0};
        CHECK_INT(wr_template_load(data, names[i], &t, &err), -WR_E_INVALID_ARGUMENT);
        CHECK_INT(wr_template_remove(data, names[i], &err), -WR_E_INVALID_ARGUMENT);
    }
}

TEST(longest_name_works)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    wr_auto_template t = {0};
    const char *name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    CHECK_INT(strlen(name), 63);
    save(data, name, HASH_A, NULL);
    CHECK_INT(wr_template_load(data, name, &t, &err), 0);
    CHECK_STR(t.name, name);
}

static void collect(const struct wr_template *t, void *data)
{
    char *text = data;
    size_t len = strlen(text);
    snprintf(text + len, 64 - len, "%s ", t->name);
}

static int save_alias(int data, const char *name, const char *alias, struct wr_error *err)
{
    wr_auto_template t = {
        .layer_count = 1, .alias_count = 1, .user = "user", .env_json = wr_strdup("{}")};
    CHECK(wr_strcopy(t.name, sizeof(t.name), name));
    CHECK(wr_strcopy(t.layers[0], sizeof(t.layers[0]), HASH_A));
    CHECK(wr_strcopy(t.aliases[0], sizeof(t.aliases[0]), alias));
    return wr_template_save(data, &t, err);
}

TEST(names_and_aliases_do_not_collide)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    CHECK_INT(save_alias(data, "one", "uno", &err), 0);
    CHECK_INT(save_alias(data, "one", "eins", &err), 0);
    CHECK_INT(save_alias(data, "two", "eins", &err), -WR_E_ALREADY_EXISTS);
    CHECK(strstr(err.msg, "alias \"eins\"") && strstr(err.msg, "an alias of template one"));
    CHECK_INT(save_alias(data, "two", "one", &err), -WR_E_ALREADY_EXISTS);
    CHECK(strstr(err.msg, "the name of template one"));
    CHECK_INT(save_alias(data, "eins", "zwei", &err), -WR_E_ALREADY_EXISTS);
    CHECK(strstr(err.msg, "\"eins\" is an alias of template one"));
    CHECK_INT(save_alias(data, "uno", "zwei", &err), 0);
    CHECK_INT(fixture_count(data, "templates"), 2);
}

TEST(list_is_sorted_and_ignores_other_files)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    char text[64] = "";
    save(data, "c", HASH_A, NULL);
    save(data, "a", HASH_A, NULL);
    save(data, "b", HASH_A, NULL);
    close(openat(data, "templates/.b.json.tmp", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(openat(data, "templates/readme", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CHECK_INT(wr_template_list(data, collect, text, &err), 0);
    CHECK_STR(text, "a b c ");
}

TEST(remove_keeps_layers_of_others)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    CHECK(mkdirat(data, "layers/" HASH_A, 0755) == 0);
    CHECK(mkdirat(data, "layers/" HASH_B, 0755) == 0);
    save(data, "one", HASH_A, HASH_B);
    save(data, "two", HASH_A, NULL);
    CHECK_INT(wr_template_remove(data, "one", &err), 0);
    CHECK(wr_layer_exists(data, HASH_A));
    CHECK(!wr_layer_exists(data, HASH_B));
    CHECK_INT(wr_template_remove(data, "one", &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_template_remove(data, "two", &err), 0);
    CHECK_INT(fixture_count(data, "layers"), 0);
    CHECK_INT(fixture_count(data, "templates"), 0);
}

TEST(broken_manifest_of_another_stops_a_removal)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    CHECK(mkdirat(data, "layers/" HASH_A, 0755) == 0);
    save(data, "one", HASH_A, NULL);
    int fd = openat(data, "templates/two.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(wr_template_remove(data, "one", &err), -WR_E_DATA_LOSS);
    CHECK(strstr(err.msg, "templates/two.json"));
    wr_auto_template t = {0};
    CHECK_INT(wr_template_load(data, "one", &t, &err), 0);
    CHECK(wr_layer_exists(data, HASH_A));
    close(fd);
}

TEST(layers_open_by_hash_only)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    int fd = -1;
    CHECK_INT(wr_template_layer_open(data, "../templates", &fd, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_template_layer_open(data, HASH_A, &fd, &err), -WR_E_DATA_LOSS);
    CHECK(symlinkat("../templates", data, "layers/" HASH_A) == 0);
    CHECK(wr_template_layer_open(data, HASH_A, &fd, &err) < 0);
    CHECK_INT(fd, -1);
    CHECK(mkdirat(data, "layers/" HASH_B, 0755) == 0);
    CHECK_INT(wr_template_layer_open(data, HASH_B, &fd, &err), 0);
    CHECK(fd >= 0);
}
