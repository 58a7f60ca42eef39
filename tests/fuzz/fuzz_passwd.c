/* The first line is the name to look for, the rest is both passwd and group file: what is found is
 * within its bounds, and the groups have no doubles. */
#include "agent/user.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wr_user user;
    char name[WR_USER_NAME_MAX + 8];
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t name_len = newline ? (size_t)(newline - data) : 0;

    if (!newline || name_len >= sizeof(name))
        return 0;
    memcpy(name, data, name_len);
    name[name_len] = '\0';
    /* A copy without slack behind it, so that a read past the end is seen. */
    size_t len = size - name_len - 1;
    char *text = malloc(len > 0 ? len : 1);
    HOLDS(text != NULL);
    memcpy(text, newline + 1, len);

    memset(&user, 0xee, sizeof(user));
    if (!wr_user_find(text, len, name, &user)) {
        HOLDS(user.uid == 0xeeeeeeee);
        free(text);
        return 0;
    }
    HOLDS(strcmp(user.name, name) == 0 && strlen(name) < WR_USER_NAME_MAX && !strchr(name, ':'));
    HOLDS(user.home[0] == '/' && strlen(user.home) < WR_USER_HOME_MAX && !strchr(user.home, ':'));
    HOLDS(user.uid != UINT32_MAX && user.gid != UINT32_MAX);
    HOLDS(user.group_count == 1 && user.groups[0] == user.gid);
    wr_user_add_groups(text, len, &user);
    HOLDS(user.group_count >= 1 && user.group_count <= WR_USER_MAX_GROUPS);
    for (size_t i = 0; i < user.group_count; i++) {
        HOLDS(user.groups[i] != UINT32_MAX);
        for (size_t j = 0; j < i; j++)
            HOLDS(user.groups[i] != user.groups[j]);
    }
    free(text);
    return 0;
}
