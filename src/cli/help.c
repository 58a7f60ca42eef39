#include "cli/help.h"

#include "cli/actions.h"

static const char help_option[] = "  -h, --help                     help for a command\n";
/* wr_code_exit_status() */
static const char exit_statuses[] =
    "\nexit status: that of the program for run and exec, 124 when its time was over, else 0.\n"
    "1 means for test, orchestrate, slo, bench-slo and code of run that something did not go well,\n"
    "for commands on several sandboxes that some failed.\n"
    "Failures of Warren itself: 66 wrong arguments, 68 not found, 69 exists already, 70 not\n"
    "permitted, 71 a limit is reached, 72 something else has to be done first, 77 the server\n"
    "does not answer; other causes have other numbers from 64 to 79.\n";

void wr_help_overview(FILE *out, const struct wr_command *const *commands)
{
    fputs("Warren runs code that nobody has vetted, in sandboxes that start in milliseconds.\n\n"
          "usage: warren COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n",
          out);
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\noptions of every command:\n", out);
    wr_opts_print_help(out, wr_common_opts, WR_COMMON_OPT_COUNT);
    fputs(help_option, out);
    fputs(exit_statuses, out);
}

void wr_help_command(FILE *out, const struct wr_command *command)
{
    fprintf(out, "usage: warren %s %s\n\n%s.\n", command->name, command->usage, command->summary);
    if (command->details)
        fprintf(out, "\n%s\n", command->details);
    if (command->opt_count > 0)
        fputs("\noptions:\n", out);
    wr_opts_print_help(out, command->opts, command->opt_count);
    fputs("\noptions of every command:\n", out);
    wr_opts_print_help(out, wr_common_opts, WR_COMMON_OPT_COUNT);
    fputs(help_option, out);
}

static void print_option_words(FILE *out, const struct wr_opt *opts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!opts[i].hidden)
            fprintf(out, " --%s", opts[i].name);
}

static void print_action_words(FILE *out, const struct wr_cli_actions *actions)
{
    for (size_t i = 0; actions && i < actions->count; i++)
        fprintf(out, "%s ", actions->items[i].name);
}

void wr_help_bash(FILE *out, const struct wr_command *const *commands)
{
    fputs("# Bash completion of warren: source it, or put it into\n"
          "# /usr/share/bash-completion/completions/warren\n"
          "_warren()\n{\n    local cur=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"",
          out);
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", commands[i]->name);
    fputs("\"\n    else\n        case \"${COMP_WORDS[1]}\" in\n", out);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "        %s) words=\"", commands[i]->name);
        if (commands[i]->words)
            fprintf(out, "%s ", commands[i]->words);
        print_action_words(out, commands[i]->actions);
        fputs("--help", out);
        print_option_words(out, commands[i]->opts, commands[i]->opt_count);
        print_option_words(out, wr_common_opts, WR_COMMON_OPT_COUNT);
        fputs("\" ;;\n", out);
    }
    fputs("        esac\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "    [ \"${#COMPREPLY[@]}\" -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n"
          "complete -F _warren warren\n",
          out);
}

void wr_help_markdown(FILE *out, const struct wr_command *const *commands)
{
    fputs("# Commands of warren\n\nThis page is the output of `warren help --markdown`.\n"
          "\n```text\n",
          out);
    wr_help_overview(out, commands);
    fputs("```\n", out);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "\n## warren %s\n\n```text\n", commands[i]->name);
        wr_help_command(out, commands[i]);
        fputs("```\n", out);
    }
}
