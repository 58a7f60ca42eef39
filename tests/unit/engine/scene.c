#include "scene.h"

#include "test.h"

void scene_create(struct talk *talk, const char *id, const char *template_name, const char *env)
{
    CHECK_INT(talk_call(talk, WR_ACTION_CREATE,
                        "{\"template\":\"%s\",\"id\":\"%s\",\"envVars\":{%s}}", template_name, id,
                        env),
              0);
}

struct talk scene_start(const char *env)
{
    struct talk talk = talk_start(NULL);

    scene_create(&talk, SCENE_ID, "base", env);
    return talk;
}

int scene_pause(struct talk *talk, const char *level)
{
    return talk_call(talk, WR_ACTION_PAUSE, "{\"id\":\"" SCENE_ID "\",\"level\":\"%s\"}", level);
}

int scene_resume(struct talk *talk, const char *more)
{
    return talk_call(talk, WR_ACTION_RESUME, "{\"id\":\"" SCENE_ID "\"%s}", more);
}

void scene_check_level(struct talk *talk, const char *expected)
{
    CHECK_STR(talk_level(talk, SCENE_ID), expected);
}
