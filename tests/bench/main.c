/* Measures a running server and prints one JSON object of series in microseconds. tools/bench runs
 * it and makes tables of it. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"
#include "burst.h"
#include "latency.h"

#define MAX_COMMANDS   8
#define MAX_JSON_BYTES ((size_t)64 * 1024 * 1024)

static const char usage[] =
    "usage: warren-bench latency|burst --socket PATH [--template NAME] [--rounds N] [--warm-up N]\n"
    "       [--count N] [--command 'NAME=PROGRAM ARGUMENT...']...\n";

struct args {
    const char *mode, *socket_path, *template_name;
    uint64_t rounds, warm_up, count;
    struct wr_command_line commands[MAX_COMMANDS];
    size_t command_count;
};

static int parse_number(const char *name, uint64_t max, uint64_t *ret, struct wr_error *err)
{
    if (wr_parse_u64(optarg, 1, max, ret) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "--%s %.40s: a number between 1 and %llu is needed", name, optarg,
                       (unsigned long long)max);
    return 0;
}

static int parse_one(int option, struct args *args, struct wr_error *err)
{
    switch (option) {
    case 's':
        args->socket_path = optarg;
        return 0;
    case 't':
        args->template_name = optarg;
        return 0;
    case 'r':
        return parse_number("rounds", 100000, &args->rounds, err);
    case 'w':
        return parse_number("warm-up", 1000, &args->warm_up, err);
    case 'c':
        return parse_number("count", WR_BURST_MAX, &args->count, err);
    case 'x':
        if (args->command_count == MAX_COMMANDS)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "at most %d commands", MAX_COMMANDS);
        return wr_command_parse(optarg, &args->commands[args->command_count++], err);
    default:
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "wrong arguments");
    }
}

static int parse(int argc, char **argv, struct args *args, struct wr_error *err)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'},
        {"template", required_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'r'},
        {"warm-up", required_argument, NULL, 'w'},
        {"count", required_argument, NULL, 'c'},
        {"command", required_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    int rc = 0, option = 0;

    while (rc == 0 && (option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        rc = parse_one(option, args, err);
    if (rc == 0 && (optind + 1 != argc || !args->socket_path))
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a mode and --socket are needed");
    if (rc == 0)
        args->mode = argv[optind];
    return rc;
}

static int measure(const struct args *args, struct wr_transport *client, struct wr_series_set *ret,
                   struct wr_error *err)
{
    const struct wr_latency_opts latency = {.template_name = args->template_name,
                                            .rounds = (unsigned)args->rounds,
                                            .warm_up = (unsigned)args->warm_up,
                                            .commands = args->commands,
                                            .command_count = args->command_count};
    const struct wr_burst_opts burst = {.template_name = args->template_name,
                                        .rounds = (unsigned)args->rounds,
                                        .warm_up = (unsigned)args->warm_up,
                                        .count = (unsigned)args->count};

    if (wr_streq(args->mode, "latency"))
        return wr_latency_run(client, &latency, ret, err);
    if (wr_streq(args->mode, "burst"))
        return wr_burst_run(client, &burst, ret, err);
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no mode %.40s", args->mode);
}

static int print(const struct wr_series_set *series, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_JSON_BYTES);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_series_write(series, &w);
    if (wr_jw_finish(&w) < 0 || wr_write_all(STDOUT_FILENO, wr_buf_ptr(&text), text.len) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "write the result");
    return 0;
}

int main(int argc, char **argv)
{
    struct args args = {.template_name = "base", .rounds = 100, .warm_up = 5, .count = 100};
    WR_CLEANUP(wr_series_set_done) struct wr_series_set series = {.count = 0};
    struct wr_transport *client = NULL;
    struct wr_error err = {0};

    int rc = parse(argc, argv, &args, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "warren-bench: %s\n%s", err.msg, usage);
        return 2;
    }
    rc = wr_transport_open_socket(args.socket_path, &client, &err);
    if (rc == 0)
        rc = measure(&args, client, &series, &err);
    if (rc == 0)
        rc = print(&series, &err);
    wr_transport_free(client);
    if (rc < 0) {
        (void)fprintf(stderr, "warren-bench: %s\n", err.msg);
        return 1;
    }
    return 0;
}
