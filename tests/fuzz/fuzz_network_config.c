/* The `network` of a request: what is taken can be read again, strictly, with the same result,
 * compiles to a policy that decides without the guard being passed over, and hides its secrets. The
 * first byte chooses: 1 is an update, 2 is lenient, 4 is a request that denies all. */
#include "fuzz.h"
#include "json/jread.h"
#include "server/api/network_config.h"
#include "server/egress/policy.h"

static void decide(const json_t *network, bool internet)
{
    static const char *const addresses[] = {"93.184.216.34", "10.0.0.1", "2606:2800::1"};
    static const char *const names[] = {"example.com", "a.example.com.", "", NULL};
    struct wr_net_policy *policy = NULL;
    struct wr_net_guard *guard = NULL;
    struct wr_error err = {0};

    HOLDS(wr_guard_new(NULL, &guard, &err) == 0);
    HOLDS(wr_net_policy_new(network, internet, &policy, &err) == 0);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 4; k++) {
            struct wr_net_decision decision;
            struct wr_ip ip;
            HOLDS(wr_ip_parse(addresses[i], &ip));
            wr_net_policy_connect(policy, guard, &ip, k % 2 ? 80 : 443, names[k], &decision);
            HOLDS(decision.rule[0] && strlen(decision.rule) < WR_POLICY_RULE_TEXT);
            HOLDS(i != 1 || decision.verdict == WR_NET_DENY);
            HOLDS(decision.verdict == WR_NET_ALLOW || !decision.by_name);
            if (!names[k])
                continue;
            wr_net_policy_resolve(policy, names[k], &decision);
            HOLDS(decision.rule[0]);
        }
    wr_net_policy_put(policy);
    wr_guard_free(guard);
}

static void check(const json_t *kept, const struct wr_network_reading *before)
{
    struct wr_network_reading reading = {.use = before->use, .no_internet = before->no_internet};
    wr_auto_json *again = NULL, *shown = wr_network_config_shown(kept);
    struct wr_error err = {0};

    HOLDS(wr_network_config_read(kept, &reading, &again, &err) == 0);
    HOLDS(json_equal(kept, again));
    HOLDS(shown && !json_object_get(json_object_get(shown, "egressProxy"), "password"));
    HOLDS(json_object_size(json_object_get(shown, "rules")) ==
          json_object_size(json_object_get(kept, "rules")));
    decide(kept, !before->no_internet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_json *network = NULL, *kept = NULL;
    struct wr_error err = {0};

    if (size == 0 || wr_json_parse((const char *)data + 1, size - 1, &network, &err) < 0)
        return 0;
    const json_t *internet = json_object_get(network, "allow_internet_access");
    struct wr_network_reading reading = {
        .use = data[0] & 1 ? WR_NETWORK_UPDATE : WR_NETWORK_CREATE,
        .lenient = data[0] & 2,
        .no_internet = data[0] & 4,
    };
    int r = wr_network_config_read(network, &reading, &kept, &err);
    if (r < 0) {
        HOLDS(r == -err.code && err.msg[0] && !kept);
        return 0;
    }
    /* It is not kept, but says the same for the lists. */
    if (reading.use == WR_NETWORK_UPDATE && json_is_false(internet))
        reading.no_internet = true;
    check(kept, &reading);
    return 0;
}
