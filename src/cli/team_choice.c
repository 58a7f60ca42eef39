#include "cli/team_choice.h"

#include "base/str.h"
#include "client/keys.h"
#include "json/jread.h"

int wr_team_choose(struct wr_transport *client, const char *wanted, char ret_id[static 37],
                   struct wr_error *err)
{
    wr_auto_json *teams = NULL;

    if (!wanted) {
        ret_id[0] = '\0';
        return 0;
    }
    int r = wr_team_list(client, &teams, err);
    if (r < 0)
        return r;
    const json_t *team = wr_team_find(teams, wanted);
    if (!team)
        return wr_fail(err, WR_E_NOT_FOUND, 0,
                       "there is no team \"%.60s\"; `warren team ls` lists those that there are",
                       wanted);
    const char *id = json_string_value(json_object_get(team, "teamID"));
    if (!id || !wr_strcopy(ret_id, 37, id))
        return wr_fail(err, WR_E_INTERNAL, 0, "the server's list of teams has no ids");
    return 0;
}
