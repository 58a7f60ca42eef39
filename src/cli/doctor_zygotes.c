#include "cli/doctor_zygotes.h"

#include <jansson.h>
#include <stdio.h>

#include "base/str.h"
#include "client/request.h"
#include "json/jread.h"

#define COST "contexts of this template start plainly: about a second instead of milliseconds"
#define MEND "the server's log has every attempt; the template's Python needs IPython"

static int load(const char *socket_path, json_t **ret, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "GET", .target = "/templates"};
    struct wr_transport *client = NULL;
    int r = wr_transport_open_socket(socket_path, &client, err);

    if (r == 0)
        r = wr_transport_request_json(client, &request, ret, err);
    wr_transport_free(client);
    return r;
}

static const char *text(const json_t *entry, const char *key)
{
    const char *value = json_string_value(json_object_get(entry, key));

    return value ? value : "";
}

void wr_doctor_check_zygotes(const struct wr_doctor_place *place, struct wr_finding *ret)
{
    wr_auto_json *templates = NULL;
    struct wr_error error = {0};
    size_t i, ready = 0;
    json_t *entry;

    if (load(place->socket_path, &templates, &error) < 0) {
        (void)snprintf(ret->found, sizeof ret->found, "not known without a server");
        return;
    }
    json_array_foreach(templates, i, entry) {
        const char *name = json_string_value(json_array_get(json_object_get(entry, "names"), 0));

        ready += wr_streq(text(entry, "zygote"), "ready");
        if (!wr_streq(text(entry, "zygote"), "none"))
            continue;
        (void)snprintf(ret->found, sizeof ret->found, "template %.40s has none: %.90s",
                       name ? name : "?", text(entry, "zygoteReason"));
        ret->health = WR_HEALTH_WARN;
        ret->cost = COST;
        ret->mend = MEND;
        return;
    }
    (void)snprintf(
        ret->found, sizeof ret->found,
        "%zu of %zu templates have a warmed Python; the others get one with their first sandbox",
        ready, json_array_size(templates));
}
