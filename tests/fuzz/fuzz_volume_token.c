/* Tokens of volumes: whatever a client sends is refused unless it is what this server made. */
#include "base/str.h"
#include "fuzz.h"
#include "server/volume_token.h"

#define VOLUME "11111111-2222-4333-8444-555555555555"
#define TEAM   "99999999-2222-4333-8444-555555555555"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wr_volume_key key = {{1, 2, 3}};
    char made[WR_VOLUME_TOKEN_LEN + 1], team[WR_UUID_LEN + 1] = "";
    /* Without slack behind it, so that a read past the end is seen. */
    char *text = malloc(size + 1);

    HOLDS(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    wr_volume_token_make(&key, VOLUME, TEAM, 1000, made);
    enum wr_volume_token_state state = wr_volume_token_check(&key, VOLUME, text, 0, team);
    HOLDS((state == WR_VOLUME_TOKEN_GOOD) == wr_streq(text, made));
    HOLDS(state != WR_VOLUME_TOKEN_EXPIRED);
    HOLDS(wr_streq(team, state == WR_VOLUME_TOKEN_GOOD ? TEAM : ""));
    free(text);
    return 0;
}
