#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "cli/actions.h"
#include "cli/help.h"
#include "test.h"

static const struct wr_opt opts[] = {
    {"one", 0, WR_OPT_FLAG, 0, NULL, "first", 0, 0, false},
    {"two", 0, WR_OPT_FLAG, 0, NULL, "second", 0, 0, true},
};
static const struct wr_command first = {.name = "first",
                                        .summary = "Do it",
                                        .usage = "[X]",
                                        .opts = opts,
                                        .opt_count = WR_ARRAY_SIZE(opts)};
static const struct wr_command second = {
    .name = "second", .summary = "Do that", .usage = "", .words = "on off"};
static const struct wr_cli_action items[] = {{.name = "go"}, {.name = "stop"}};
static const struct wr_cli_actions actions = {.items = items, .count = WR_ARRAY_SIZE(items)};
static const struct wr_command third = {
    .name = "third", .summary = "Do one of two", .usage = "go | stop", .actions = &actions};
static const struct wr_command *const commands[] = {&first, &second, &third, NULL};

static char *text_of(void (*fn)(FILE *out, const struct wr_command *const *commands))
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    fn(out, commands);
    fclose(out);
    return text;
}

TEST(completion_has_commands_and_visible_options)
{
    char *text = text_of(wr_help_bash);
    CHECK(strstr(text, "words=\"first second third\""));
    CHECK(strstr(text, "first) words=\"--help --one --socket --data-dir --config\""));
    CHECK(strstr(text, "second) words=\"on off --help --socket --data-dir --config\""));
    CHECK(strstr(text, "third) words=\"go stop --help --socket --data-dir --config\""));
    CHECK(!strstr(text, "--two"));
    free(text);
}

TEST(completion_works_in_bash)
{
    char *text = text_of(wr_help_bash);
    char *script = NULL;
    int status = 0;
    CHECK(asprintf(
              &script,
              "%s\nCOMP_WORDS=(warren fi) COMP_CWORD=1\n_warren\n[ \"${COMPREPLY[*]}\" = first ]\n",
              text) > 0);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("bash", "bash", "-c", script, (char *)NULL);
        _exit(127);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    free(script);
    free(text);
}

TEST(overview_and_reference)
{
    char *text = text_of(wr_help_overview);
    CHECK(strstr(text, "first") && strstr(text, "Do that"));
    CHECK(strstr(text, "66 wrong arguments") && wr_code_exit_status(WR_E_INVALID_ARGUMENT) == 66);
    CHECK(strstr(text, "68 not found") && wr_code_exit_status(WR_E_NOT_FOUND) == 68);
    CHECK(strstr(text, "69 exists") && wr_code_exit_status(WR_E_ALREADY_EXISTS) == 69);
    CHECK(strstr(text, "70 not\npermitted") && wr_code_exit_status(WR_E_PERMISSION_DENIED) == 70);
    CHECK(strstr(text, "71 a limit") && wr_code_exit_status(WR_E_RESOURCE_EXHAUSTED) == 71);
    CHECK(strstr(text, "72 something") && wr_code_exit_status(WR_E_FAILED_PRECONDITION) == 72);
    CHECK(strstr(text, "77 the server") && wr_code_exit_status(WR_E_UNAVAILABLE) == 77);
    CHECK(strstr(text, "64 to 79") && wr_code_exit_status(WR_E_MAX_ - 1) == 79);
    free(text);
    text = text_of(wr_help_markdown);
    CHECK(strstr(text, "## warren second") && strstr(text, "--one") && strstr(text, "-h, --help"));
    free(text);
}
