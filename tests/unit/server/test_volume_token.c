#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "server/volume_token.h"
#include "test.h"

#define VOLUME "11111111-2222-4333-8444-555555555555"
#define OTHER  "11111111-2222-4333-8444-555555555556"
#define TEAM   "99999999-2222-4333-8444-555555555555"
#define END_S  1000u

static const struct wr_volume_key key = {"0123456789abcdef0123456789abcde"};

static enum wr_volume_token_state check(const char *volume, const char *text, uint64_t now_s)
{
    char team[WR_UUID_LEN + 1] = "untouched";
    enum wr_volume_token_state state = wr_volume_token_check(&key, volume, text, now_s, team);

    CHECK_STR(team, state == WR_VOLUME_TOKEN_GOOD ? TEAM : "untouched");
    return state;
}

TEST(a_token_is_for_one_volume_until_its_end)
{
    char text[WR_VOLUME_TOKEN_LEN + 1];

    wr_volume_token_make(&key, VOLUME, TEAM, END_S, text);
    CHECK_INT(strlen(text), WR_VOLUME_TOKEN_LEN);
    CHECK_INT(check(VOLUME, text, 0), WR_VOLUME_TOKEN_GOOD);
    CHECK_INT(check(VOLUME, text, END_S - 1), WR_VOLUME_TOKEN_GOOD);
    CHECK_INT(check(VOLUME, text, END_S), WR_VOLUME_TOKEN_EXPIRED);
    CHECK_INT(check(OTHER, text, 0), WR_VOLUME_TOKEN_BAD);
    CHECK_INT(check("", text, 0), WR_VOLUME_TOKEN_BAD);
    CHECK_INT(check(VOLUME, "", 0), WR_VOLUME_TOKEN_BAD);
}

/* Whoever changes the end, the team or anything else has no token any more. */
TEST(every_character_counts)
{
    char text[WR_VOLUME_TOKEN_LEN + 1], longer[WR_VOLUME_TOKEN_LEN + 2];

    wr_volume_token_make(&key, VOLUME, TEAM, END_S, text);
    for (size_t i = 0; i < WR_VOLUME_TOKEN_LEN; i++) {
        char was = text[i];
        text[i] = was == '1' ? '2' : '1';
        CHECK_INT(check(VOLUME, text, 0), WR_VOLUME_TOKEN_BAD);
        text[i] = '\0';
        CHECK_INT(check(VOLUME, text, 0), WR_VOLUME_TOKEN_BAD);
        text[i] = was;
    }
    CHECK(wr_strformat(longer, sizeof longer, "%s0", text));
    CHECK_INT(check(VOLUME, longer, 0), WR_VOLUME_TOKEN_BAD);
}

TEST(another_server_has_another_key)
{
    struct wr_volume_key other = key;
    char text[WR_VOLUME_TOKEN_LEN + 1];

    other.bytes[31] ^= 1;
    wr_volume_token_make(&other, VOLUME, TEAM, END_S, text);
    CHECK_INT(check(VOLUME, text, 0), WR_VOLUME_TOKEN_BAD);
}

TEST(the_key_is_kept_for_its_owner)
{
    char dir[] = "/tmp/wr-token-XXXXXX", path[64];
    struct wr_volume_key first = {{0}}, again = {{0}}, none = {{0}};
    struct wr_error err = {0};
    struct stat st;

    CHECK(mkdtemp(dir) && wr_strformat(path, sizeof path, "%s/volume-tokens.key", dir));
    CHECK_INT(wr_volume_key_load(dir, &first, &err), 0);
    CHECK_INT(wr_volume_key_load(dir, &again, &err), 0);
    CHECK(memcmp(&first, &again, sizeof first) == 0 && memcmp(&first, &none, sizeof none) != 0);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);

    for (int len = 31; len <= 33; len += 2) {
        CHECK_INT(wr_file_replace(AT_FDCWD, path, "0123456789abcdef0123456789abcdefx", (size_t)len,
                                  0600, WR_VOLATILE),
                  0);
        CHECK_INT(wr_volume_key_load(dir, &again, &err), -WR_E_DATA_LOSS);
        CHECK(strstr(err.msg, path));
    }
    CHECK(memcmp(&first, &again, sizeof first) == 0);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
    CHECK_INT(wr_volume_key_load(dir, &again, &err), -WR_E_INTERNAL);
}
