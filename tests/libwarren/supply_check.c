/*
 * supply_check WHAT [ARGUMENT...]: supplies and sessions against the server that the environment
 * names. Prints one JSON object, what test_supply.py looks at. Status 1 and a sentence on standard
 * error when a call fails that should not.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "warren/code.h"
#include "warren/program.h"
#include "warren/sessions.h"
#include "warren/supply.h"
#include "warren/telemetry.h"

#define CODE_TIMEOUT_MS 60000

static void must(int result, const struct wr_error *err, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "supply_check: %s: %s (%s)\n", what, err->msg,
            wr_code_name((enum wr_code)err->code));
    exit(1);
}

static unsigned number(const char *text)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || value > 100000) {
        fprintf(stderr, "supply_check: %s is no number\n", text);
        exit(2);
    }
    return (unsigned)value;
}

static void *must_have(void *made, const struct wr_error *err, const char *what)
{
    must(made ? 0 : -1, err, what);
    return made;
}

/* ---- code in sandboxes ---- */

/* The output of a cell; an error of the code ends the program. */
static char *run(struct wr_sandbox *sandbox, const char *code)
{
    struct wr_error err = {0};
    struct wr_value *result = NULL;

    must(wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = code, .timeout_ms = CODE_TIMEOUT_MS),
                     NULL, &result, &err),
         &err, "code");
    const struct wr_value *error = wr_value_get(result, "error");
    if (*wr_value_string(error, "name")) {
        fprintf(stderr, "supply_check: %s\n", wr_value_string(error, "traceback"));
        exit(1);
    }
    char *output = strdup(wr_value_string(result, "stdout"));
    wr_value_free(result);
    return output;
}

static void run_quietly(struct wr_sandbox *sandbox, const char *code)
{
    free(run(sandbox, code));
}

static char *read_all(FILE *file)
{
    static char text[1 << 20];
    size_t len = fread(text, 1, sizeof text - 1, file);

    text[len] = '\0';
    return text;
}

/* ---- printing ---- */

static struct wr_value *report; /* an object */
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

static void add(const char *key, struct wr_value *value)
{
    struct wr_error err = {0};

    pthread_mutex_lock(&report_lock);
    must(wr_value_set(report, key, value, &err), &err, "report");
    pthread_mutex_unlock(&report_lock);
}

/* What supplies tell besides: the last record of each event. */
static void on_log(const struct wr_value *record, void *data)
{
    (void)data;
    add(wr_value_string(record, "event"), wr_value_ref((struct wr_value *)(uintptr_t)record));
}

static struct wr_telemetry *listen_to_events(void)
{
    struct wr_error err = {0};

    return must_have(
        wr_telemetry_new(WR_OPTS(wr_telemetry_opts, .on_log = on_log, .otlp_endpoint = ""), &err),
        &err, "telemetry");
}

static void print_report(struct wr_supply *supply)
{
    if (supply)
        add("stats", wr_supply_stats(supply));
    char *text = wr_value_text(report);
    puts(text);
    fflush(stdout);
    wr_free(text);
    report = wr_value_free(report);
    report = wr_value_object();
}

static struct wr_lease acquire(struct wr_supply *supply)
{
    struct wr_error err = {0};
    struct wr_lease lease = {0};

    must(wr_supply_acquire(supply, NULL, &lease, &err), &err, "acquire");
    return lease;
}

static void wait_for_stat(struct wr_supply *supply, const char *name, int64_t number)
{
    for (unsigned i = 0; i < 3000; i++) {
        struct wr_value *stats = wr_supply_stats(supply);
        int64_t now = wr_value_int(stats, name, -1);
        wr_value_free(stats);
        if (now == number)
            return;
        usleep(10000);
    }
    fprintf(stderr, "supply_check: %s never became %lld\n", name, (long long)number);
    exit(1);
}

/* ---- pool ---- */

struct user {
    pthread_t thread;
    struct wr_supply *supply;
    unsigned uses;
    unsigned traces; /* of former uses */
};

static const char leave_and_look[] =
    "import os\n"
    "found = os.path.exists('/tmp/trace') or os.path.exists(os.path.expanduser('~/trace')) or 'seen' in globals()\n"
    "seen = True\n"
    "open('/tmp/trace', 'w').close(); open(os.path.expanduser('~/trace'), 'w').close()\n"
    "print(found)";

static void *use(void *arg)
{
    struct user *user = arg;

    for (unsigned i = 0; i < user->uses; i++) {
        struct wr_lease lease = acquire(user->supply);
        char *found = run(lease.sandbox, leave_and_look);
        user->traces += strcmp(found, "False\n") != 0;
        free(found);
        wr_supply_release(user->supply, &lease, WR_LEASE_DONE);
    }
    return NULL;
}

/* pool SIZE THREADS USES-OF-EACH recycle|reset */
static void check_pool(char **arguments)
{
    struct wr_error err = {0};
    struct wr_telemetry *telemetry = listen_to_events();
    unsigned threads = number(arguments[1]), traces = 0;
    struct user users[64] = {0};
    struct wr_supply *supply =
        must_have(wr_supply_pool(NULL,
                                 WR_OPTS(wr_supply_opts, .size = number(arguments[0]),
                                         .max = number(arguments[0]), .telemetry = telemetry,
                                         .reset_in_place = strcmp(arguments[3], "reset") == 0),
                                 &err),
                  &err, "pool");

    for (unsigned i = 0; i < threads && i < 64; i++) {
        users[i] = (struct user){.supply = supply, .uses = number(arguments[2])};
        if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
            exit(1);
    }
    for (unsigned i = 0; i < threads && i < 64; i++) {
        pthread_join(users[i].thread, NULL);
        traces += users[i].traces;
    }
    add("traces", wr_value_of_int(traces));
    print_report(supply);
    wr_supply_free(supply);
    wr_telemetry_free(telemetry);
}

/* reset SETUP VOLUME: a program from standard input leaves things, the second one looks for them.
 * They are separated by a line of dashes. VOLUME: "name:/path", or "" for none. */
static void check_reset(char **arguments)
{
    struct wr_error err = {0};
    struct wr_telemetry *telemetry = listen_to_events();
    const char *volumes[] = {arguments[1]};
    const struct wr_sandbox_opts sandbox = {
        .struct_size = sizeof sandbox, .volumes = volumes, .volume_count = *arguments[1] ? 1 : 0};
    char *leave = read_all(stdin), *look = strstr(leave, "\n-----\n");
    struct wr_supply *supply = must_have(
        wr_supply_pool(NULL,
                       WR_OPTS(wr_supply_opts, .size = 1, .max = 1, .reset_in_place = true,
                               .telemetry = telemetry, .setup = arguments[0], .sandbox = &sandbox),
                       &err),
        &err, "pool");

    *look = '\0';
    wait_for_stat(supply, "idle", 1);
    struct wr_lease lease = acquire(supply);
    add("first", wr_value_of_string(wr_sandbox_id(lease.sandbox)));
    char *output = run(lease.sandbox, leave);
    add("left", wr_value_of_string(output));
    free(output);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    lease = acquire(supply);
    add("second", wr_value_of_string(wr_sandbox_id(lease.sandbox)));
    add("fresh", wr_value_of_bool(lease.fresh));
    output = run(lease.sandbox, look + strlen("\n-----\n"));
    add("found", wr_value_of_string(output));
    free(output);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    wait_for_stat(supply, "idle", 1);
    print_report(supply);
    wr_supply_free(supply);
    wr_telemetry_free(telemetry);
}

/* one-by-one N recycle|reset: what waiting for a clean sandbox takes when there is only one. */
static void check_one_by_one(char **arguments)
{
    struct wr_error err = {0};
    struct wr_telemetry *telemetry = listen_to_events();
    struct wr_supply *supply =
        must_have(wr_supply_pool(NULL,
                                 WR_OPTS(wr_supply_opts, .size = 1, .max = 1,
                                         .reset_in_place = strcmp(arguments[1], "reset") == 0,
                                         .telemetry = telemetry),
                                 &err),
                  &err, "pool");
    double slowest_ms = 0, sum_ms = 0;
    unsigned count = number(arguments[0]);

    wait_for_stat(supply, "idle", 1);
    for (unsigned i = 0; i < count; i++) {
        struct wr_lease lease = acquire(supply);
        /* The first was there already. */
        sum_ms += i ? lease.init_ms : 0;
        slowest_ms = i && lease.init_ms > slowest_ms ? lease.init_ms : slowest_ms;
        run_quietly(lease.sandbox, "open('/tmp/a', 'w').write('x'); print(1)");
        wr_supply_release(supply, &lease, WR_LEASE_DONE);
    }
    add("mean_ms", wr_value_of_double(sum_ms / (count - 1)));
    add("slowest_ms", wr_value_of_double(slowest_ms));
    print_report(supply);
    wr_supply_free(supply);
    wr_telemetry_free(telemetry);
}

/* ---- session ---- */

/* state: a session remembers. */
static void check_state(char **arguments)
{
    struct wr_error err = {0};
    struct wr_supply *supply = must_have(wr_supply_session(NULL, NULL, &err), &err, "session");

    (void)arguments;
    for (unsigned i = 0; i < 3; i++) {
        struct wr_lease lease = acquire(supply);
        char *output = run(lease.sandbox, "n = globals().get('n', 0) + 1; print(n)");
        add("last", wr_value_of_string(output));
        free(output);
        wr_supply_release(supply, &lease, WR_LEASE_DONE);
    }
    print_report(supply);
    wr_supply_free(supply);
}

/* rotate: two programs as above, with a rotation between them. */
static void check_rotate(char **arguments)
{
    struct wr_error err = {0};
    struct wr_telemetry *telemetry = listen_to_events();
    struct wr_supply *supply =
        must_have(wr_supply_session(NULL,
                                    WR_OPTS(wr_supply_opts, .max_age_s = 1, .carry_files = true,
                                            .carry_variables = true, .telemetry = telemetry,
                                            .setup = arguments[0]),
                                    &err),
                  &err, "session");
    char *before = read_all(stdin), *after = strstr(before, "\n-----\n");

    *after = '\0';
    struct wr_lease lease = acquire(supply);
    add("first", wr_value_of_string(wr_sandbox_id(lease.sandbox)));
    run_quietly(lease.sandbox, before);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    sleep(2);
    lease = acquire(supply);
    add("second", wr_value_of_string(wr_sandbox_id(lease.sandbox)));
    char *output = run(lease.sandbox, after + strlen("\n-----\n"));
    add("found", wr_value_of_string(output));
    free(output);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    print_report(supply);
    wr_supply_free(supply);
    wr_telemetry_free(telemetry);
}

/* ---- persistent sessions ---- */

/* "-": where sessions are when nobody says. */
static struct wr_sessions *open_sessions(const char *path)
{
    struct wr_error err = {0};

    path = strcmp(path, "-") == 0 ? NULL : path;
    return must_have(
        wr_sessions_open(NULL, WR_OPTS(wr_sessions_opts, .path = path, .idle_timeout_s = 120),
                         &err),
        &err, "sessions");
}

/* named PATH ID CODE: runs a cell in a session, which is made when it is not there. */
static void check_named(char **arguments)
{
    struct wr_error err = {0};
    struct wr_sessions *sessions = open_sessions(arguments[0]);
    struct wr_supply *supply =
        must_have(wr_sessions_supply(sessions, arguments[1], &err), &err, "supply");
    struct wr_lease lease = acquire(supply);

    add("sandbox", wr_value_of_string(wr_sandbox_id(lease.sandbox)));
    add("fresh", wr_value_of_bool(lease.fresh));
    char *output = run(lease.sandbox, arguments[2]);
    add("output", wr_value_of_string(output));
    free(output);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    print_report(supply);
    wr_supply_free(supply);
    wr_sessions_free(sessions);
}

/* list PATH; close PATH ID; pause PATH ID */
static void check_list(char **arguments)
{
    struct wr_error err = {0};
    struct wr_value *list = NULL;
    struct wr_sessions *sessions = open_sessions(arguments[0]);

    must(wr_sessions_list(sessions, &list, &err), &err, "list");
    add("sessions", list);
    print_report(NULL);
    wr_sessions_free(sessions);
}

static void check_close(char **arguments)
{
    struct wr_error err = {0};
    struct wr_sessions *sessions = open_sessions(arguments[0]);

    must(wr_sessions_close(sessions, arguments[1], NULL, &err), &err, "close");
    print_report(NULL);
    wr_sessions_free(sessions);
}

static void check_pause(char **arguments)
{
    struct wr_error err = {0};
    struct wr_sessions *sessions = open_sessions(arguments[0]);
    int r = wr_sessions_pause(sessions, arguments[1], NULL, &err);

    add("code", wr_value_of_string(r < 0 ? wr_code_name((enum wr_code)err.code) : "ok"));
    print_report(NULL);
    wr_sessions_free(sessions);
}

/* flood PATH: makes sessions until it is killed. */
static void check_flood(char **arguments)
{
    struct wr_error err = {0};
    struct wr_sessions *sessions = open_sessions(arguments[0]);
    char id[32];

    for (unsigned i = 0; i < 50; i++) {
        struct wr_sandbox *sandbox = NULL;
        (void)snprintf(id, sizeof id, "flood-%u", i);
        must(wr_sessions_create(sessions, id, NULL, &sandbox, &err), &err, "create");
        wr_sandbox_free(sandbox);
        add("made", wr_value_of_string(id));
        print_report(NULL);
        must(wr_sessions_close(sessions, id, NULL, &err), &err, "close");
    }
    wr_sessions_free(sessions);
}

/* hold KIND TIMEOUT_S: has a sandbox of that kind until it is killed. */
static void check_hold(char **arguments)
{
    struct wr_error err = {0};
    const struct wr_sandbox_opts sandbox = {.struct_size = sizeof sandbox,
                                            .timeout_s = number(arguments[0])};
    struct wr_supply *supply = must_have(
        wr_supply_pool(NULL, WR_OPTS(wr_supply_opts, .size = 2, .max = 2, .sandbox = &sandbox),
                       &err),
        &err, "pool");

    wait_for_stat(supply, "idle", 2);
    print_report(supply);
    for (;;)
        pause();
}

static const struct {
    const char *name;
    int arguments;
    void (*check)(char **arguments);
} checks[] = {
    {"pool", 4, check_pool},   {"reset", 2, check_reset},   {"one-by-one", 2, check_one_by_one},
    {"state", 0, check_state}, {"rotate", 1, check_rotate}, {"named", 3, check_named},
    {"list", 1, check_list},   {"close", 2, check_close},   {"pause", 2, check_pause},
    {"flood", 1, check_flood}, {"hold", 1, check_hold},
};

int main(int argc, char **argv)
{
    report = wr_value_object();
    for (size_t i = 0; argc > 1 && report && i < sizeof checks / sizeof checks[0]; i++) {
        if (strcmp(argv[1], checks[i].name) == 0 && argc == 2 + checks[i].arguments) {
            checks[i].check(argv + 2);
            wr_value_free(report);
            return 0;
        }
    }
    fprintf(stderr, "usage: supply_check WHAT [ARGUMENT...]\n");
    return 2;
}
