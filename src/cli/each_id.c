#include "cli/each_id.h"

#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "json/jread.h"

#define SOME_FAILED 1

struct turn {
    const char *doing, *id;
    size_t number, count;
};

static void write_line(char *line, size_t cap, double elapsed_s, void *data)
{
    const struct turn *turn = data;
    bool fits = turn->count > 1
                    ? wr_strformat(line, cap, "%s %.80s (%zu of %zu), %.0f s", turn->doing,
                                   turn->id, turn->number, turn->count, elapsed_s)
                    : wr_strformat(line, cap, "%s %.80s, %.0f s", turn->doing, turn->id, elapsed_s);

    if (!fits)
        line[0] = '\0';
}

static int run_one(const struct wr_each *each, struct wr_transport *client, struct turn *turn,
                   json_t *results, struct wr_error *err)
{
    struct wr_progress *progress = NULL;
    wr_auto_json *result = NULL;

    int r = wr_progress_start(write_line, turn, &progress, err);
    if (r < 0)
        return r;
    r = each->run(client, turn->id, each->values, &result, err);
    wr_progress_stop(progress);
    if (r < 0)
        return r;
    if (!results)
        each->print(result);
    else if (json_array_append(results, result) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "results");
    return 0;
}

int wr_each_run(const struct wr_each *each, struct wr_transport *client, const char *const *ids,
                size_t count, struct wr_error *err)
{
    wr_auto_json *results = each->json ? json_array() : NULL;
    size_t failed = 0;

    if (each->json && !results)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "results");
    for (size_t i = 0; i < count; i++) {
        struct turn turn = {.doing = each->doing, .id = ids[i], .number = i + 1, .count = count};
        int r = run_one(each, client, &turn, results, err);
        if (r < 0 && count == 1)
            return r;
        if (r < 0) {
            fprintf(stderr, "warren: %s\n", err->msg);
            failed++;
        }
    }
    if (results) {
        int r = wr_print_json(results, err);
        if (r < 0)
            return r;
    }
    return failed > 0 ? SOME_FAILED : 0;
}

void wr_format_took(double ms, char *out, size_t cap)
{
    bool fits = ms < 999.5 ? wr_strformat(out, cap, "%.0f ms", ms)
                           : wr_strformat(out, cap, "%.1f s", ms / 1000);

    if (!fits)
        out[0] = '\0';
}

int wr_explain_sandbox(int r, const char *id, struct wr_error *err)
{
    if (r == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_NOT_FOUND, 0,
                       "there is no sandbox %.64s; `warren ps` lists those that there are", id);
    /* Of several nobody could tell which it was. */
    return r < 0 && !strstr(err->msg, id) ? wr_wrap(err, "sandbox %.64s", id) : r;
}
