/* Traffic for a paused sandbox: the server, a fake engine, and an agent. */
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/action.h"
#include "pausing_scene.h"
#include "test.h"

TEST(traffic_wakes_who_wants_that)
{
    struct scene s = begin("base", ",\"autoPause\":true,\"autoResume\":{\"enabled\":true}");
    json_t *json = NULL;
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(visit(&s, WR_AGENT_PORT, "/health", ""), 403);
    CHECK_INT(visit(&s, WR_AGENT_PORT, "/health", "X-Access-Token: nonsense\r\n"), 403);
    check_state(&s, "paused", "hibernated");
    CHECK_INT(visit_agent(&s), 200);
    CHECK_INT(s.agent->inits, 1);
    CHECK_INT(left_s(&s), 600);
    CHECK_INT(post(&s, "pause", NULL), 204);
    /* Any port: nothing listens on this one. */
    CHECK_INT(visit(&s, 8080, "/", ""), 502);
    check_state(&s, "running", NULL);
    CHECK_INT(post(&s, "pause", "{\"memory\":false}"), 204);
    CHECK_INT(visit_agent(&s), 502);
    check_state(&s, "paused", "hibernated");

    json =
        created(&s.f, 0, "/sandboxes",
                "{\"templateID\":\"base\",\"timeout\":60,\"autoResume\":{\"enabled\":true}}", s.id);
    json_decref(json);
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(visit(&s, WR_AGENT_PORT, "/files?path=x", ""), 200);
    CHECK_INT(left_s(&s), 300);
    finish(&s);
}

/* The beginning of a request to the agent's port, or for one of the ports: a connection that waits.
 */
static int knock(struct scene *s, bool forward)
{
    char text[512];
    if (forward)
        snprintf(text, sizeof text,
                 "GET /sandboxes/%s/ports/8080 HTTP/1.1\r\nHost: localhost\r\n"
                 "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
                 s->id);
    else
        snprintf(text, sizeof text,
                 "GET /files?path=x HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: %s\r\n"
                 "E2b-Sandbox-Port: %d\r\nX-Access-Token: %s\r\n\r\n",
                 s->id, WR_AGENT_PORT, s->token);
    int fd = connect_raw(&s->f);
    CHECK_INT(wr_write_all(fd, text, strlen(text)), 0);
    return fd;
}

TEST(who_leaves_while_it_wakes_is_forgotten)
{
    struct scene s = begin("lasting", ",\"autoResume\":{\"enabled\":true}");
    CHECK_INT(post(&s, "pause", NULL), 204);
    for (unsigned i = 0; i < 6; i++) {
        int fd = knock(&s, i % 2);
        /* Answered by the server: it has read what came before. */
        json_decref(detail(&s));
        (void)wr_close(fd);
    }
    CHECK_INT(visit_agent(&s), 200);
    check_state(&s, "running", NULL);
    CHECK_INT(s.agent->inits, 1);
    finish(&s);
}

TEST(a_forwarded_port_wakes_it)
{
    struct scene s = begin("base", ",\"autoResume\":{\"enabled\":true}");
    char answer[512] = "";
    CHECK_INT(post(&s, "pause", NULL), 204);
    int fd = knock(&s, true);
    CHECK(read(fd, answer, sizeof answer - 1) > 0);
    CHECK(strstr(answer, "nothing listens on port 8080") != NULL);
    (void)wr_close(fd);
    check_state(&s, "running", NULL);
    make(&s, "base", "");
    CHECK_INT(post(&s, "pause", NULL), 204);
    fd = knock(&s, true);
    CHECK(read(fd, answer, sizeof answer - 1) > 0);
    CHECK(strstr(answer, "is paused; resume it first") != NULL);
    (void)wr_close(fd);
    check_state(&s, "paused", "hibernated");
    finish(&s);
}

TEST(private_ports_stay_private_while_it_sleeps)
{
    struct scene s = begin_with(&(struct start_opts){.api = true, .ingress = true});
    char line[160];
    json_t *made = created(&s.f, 0, "/v2/sandboxes",
                           "{\"templateID\":\"base\",\"autoResume\":{\"enabled\":true},"
                           "\"network\":{\"allowPublicTraffic\":false}}",
                           s.id);
    snprintf(line, sizeof line, "e2b-traffic-access-token: %s\r\n",
             text_of(made, "trafficAccessToken"));
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(visit(&s, 8080, "/", ""), 403);
    CHECK_INT(visit(&s, 8080, "/", "e2b-traffic-access-token: x\r\n"), 403);
    check_state(&s, "paused", "hibernated");
    CHECK_INT(visit(&s, 8080, "/", line), 502);
    check_state(&s, "running", NULL);
    json_decref(made);
    finish(&s);
}
