/* One sandbox, SCENE_ID, in a conversation with an engine of the fake driver. */
#pragma once

#include "talk.h"

#define SCENE_ID TALK_ID("a")

/* `env`: members of the object of variables, without braces. */
void scene_create(struct talk *talk, const char *id, const char *template_name, const char *env);
/* An engine, and the sandbox. */
struct talk scene_start(const char *env);
/* 0 or the code of the refusal. */
int scene_pause(struct talk *talk, const char *level);
/* `more`: further members of the request, each with a comma before it. */
int scene_resume(struct talk *talk, const char *more);
/* As LIST has it; "": it is not there. */
void scene_check_level(struct talk *talk, const char *expected);
