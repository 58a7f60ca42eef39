#include "cli/cmd_net.h"

#include <stdio.h>
#include <time.h>

#include "base/parse.h"
#include "base/str.h"
#include "cli/out.h"
#include "client/network.h"
#include "json/jread.h"

#define POLL_NS      (500 * 1000000L)
#define LAST_DEFAULT 100
#define TARGET_MAX   340 /* a name, an address and a port */

struct values {
    bool follow, json, denied;
    uint64_t last;
};

/* What was printed, and what is next. */
struct view {
    const struct values *values;
    uint64_t after;
    bool began; /* the head is there */
};

static const struct wr_opt opts[] = {
    {"follow", 'f', WR_OPT_FLAG, offsetof(struct values, follow), NULL,
     "go on until the sandbox has ended", 0, 0, false},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "one JSON object per line, as the API has it", 0, 0, false},
    {"denied", 0, WR_OPT_FLAG, offsetof(struct values, denied), NULL, "only what was denied", 0, 0,
     false},
    {"last", 'n', WR_OPT_U64, offsetof(struct values, last), "N",
     "how many to begin with, the newest (100)", 1, WR_NETWORK_LOG_MAX, false},
};

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));

    return text ? text : "";
}

static uint64_t number_of(const json_t *event, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(event, key));

    return number > 0 ? (uint64_t)number : 0;
}

/* "name:443 (1.2.3.4)", "1.2.3.4:22", "[2001:db8::1]:22", "name". */
static void format_target(const json_t *event, char out[static TARGET_MAX])
{
    const char *name = text_of(event, "name"), *address = text_of(event, "address");
    const char *host = *name ? name : address;
    bool bracket = !*name && strchr(address, ':');
    char port[8] = "", behind[64] = "";
    bool fits = true;

    if (number_of(event, "port"))
        fits =
            wr_strformat(port, sizeof port, ":%u", (unsigned)(number_of(event, "port") & 0xffff));
    if (*name && *address)
        fits = wr_strformat(behind, sizeof behind, " (%.50s)", address) && fits;
    if (!fits || !wr_strformat(out, TARGET_MAX, "%s%.253s%s%s%s", bracket ? "[" : "", host,
                               bracket ? "]" : "", port, behind))
        out[0] = '\0';
}

static void format_size(const json_t *event, const char *key, char *out, size_t cap)
{
    out[0] = '\0';
    if (wr_streq(text_of(event, "kind"), "close"))
        wr_format_size(number_of(event, key), out, cap);
}

/* Programs in a sandbox choose names: nothing but text reaches the terminal. */
static void print_clean(const char *text)
{
    for (; *text; text++)
        putchar(*text < ' ' || *text > '~' ? '?' : *text);
}

static void print_event(const json_t *event)
{
    const char *at = text_of(event, "at"), *time = strchr(at, 'T'),
               *detail = text_of(event, "detail");
    char target[TARGET_MAX], out[24], in[24], head[480];

    format_target(event, target);
    format_size(event, "bytesOut", out, sizeof out);
    format_size(event, "bytesIn", in, sizeof in);
    if (!wr_strformat(head, sizeof head, "%-12.12s  %-5.10s  %-5.10s  %-44s %9s %9s  ",
                      time ? time + 1 : at, text_of(event, "verdict"), text_of(event, "kind"),
                      target, out, in))
        return;
    print_clean(head);
    print_clean(text_of(event, "rule"));
    if (*detail) {
        fputs("; ", stdout);
        print_clean(detail);
    }
    putchar('\n');
}

static int print_json_line(const json_t *event, struct wr_error *err)
{
    if (json_dumpf(event, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF)
        return wr_fail_errno(err, WR_E_UNKNOWN, "standard output");
    return 0;
}

static void print_head(struct view *view)
{
    if (view->began || view->values->json)
        return;
    printf("%-12s  %-5s  %-5s  %-44s %9s %9s  %s\n", "TIME", "SAYS", "KIND", "TARGET", "OUT", "IN",
           "RULE");
    view->began = true;
}

static bool is_wanted(const struct view *view, const json_t *event)
{
    return !view->values->denied || wr_streq(text_of(event, "verdict"), "deny");
}

static int print_events(struct view *view, const json_t *answer, uint64_t last,
                        struct wr_error *err)
{
    const json_t *events = json_object_get(answer, "events"), *event;
    uint64_t dropped = number_of(answer, "dropped"), wanted = 0;
    size_t i;
    int r = 0;

    json_array_foreach(events, i, event)
        wanted += is_wanted(view, event);
    print_head(view);
    /* At the beginning nobody has missed anything. */
    if (dropped > 0 && view->after > 0 && !view->values->json)
        printf("(%llu events were overwritten before they were read)\n",
               (unsigned long long)dropped);
    json_array_foreach(events, i, event) {
        if (!is_wanted(view, event) || wanted-- > last)
            continue;
        if (view->values->json)
            r = print_json_line(event, err);
        else
            print_event(event);
        if (r < 0)
            return r;
    }
    view->after = number_of(answer, "next");
    if (fflush(stdout) != 0)
        return wr_fail_errno(err, WR_E_UNKNOWN, "standard output");
    return 0;
}

static int show(struct wr_transport *client, const char *id, struct view *view,
                struct wr_error *err)
{
    uint64_t last = view->values->last ? view->values->last : LAST_DEFAULT;
    const struct timespec pause = {.tv_nsec = POLL_NS};

    for (bool first = true;; first = false) {
        wr_auto_json *answer = NULL;
        int r = wr_network_log(client, id, view->after, &answer, err);
        /* It was there: this is the end that --follow waits for. */
        if (r == -WR_E_NOT_FOUND && !first)
            return 0;
        if (r == 0)
            r = print_events(view, answer, first ? last : UINT64_MAX, err);
        if (r < 0 || !view->values->follow)
            return r;
        (void)nanosleep(&pause, NULL);
    }
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    struct view view = {.values = in->values};
    struct wr_transport *client = NULL;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = show(client, in->args[0], &view, err);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_net = {
    .name = "net",
    .summary = "Show what a sandbox wanted from the network, and what it got",
    .usage = "[OPTIONS] ID",
    .details =
        "One line for each name that was asked for (dns), each connection (open, close with\n"
        "bytes out of the sandbox and into it, deny) and each HTTP request that the egress\n"
        "has read (http), with the rule that decided. The server keeps the last 512 of a\n"
        "sandbox.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
