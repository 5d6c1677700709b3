/* SPDX-License-Identifier: Apache-2.0 */
#include "reference/completion.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *completion_open(
    const char *folder, const char *prefix, const char *name, const char *suffix, char path[1024])
{
    FILE *file;

    snprintf(path, 1024, "%s/%s%s%s", folder, prefix, name, suffix);
    file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "iotify-reference: cannot write %s: %s\n", path, strerror(errno));
        exit(1);
    }
    return file;
}

static void completion_close(FILE *file, const char *path)
{
    if (fclose(file) == 0)
        return;
    fprintf(stderr, "iotify-reference: cannot write %s: %s\n", path, strerror(errno));
    exit(1);
}

static bool completion_takes_file(const struct completion_option *option)
{
    return option->argument &&
           (strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "DIR") == 0);
}

/* Escape text inside single quotes of a shell; `escaped`: further characters to escape. */
static void completion_put(FILE *file, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", file); /* ends the quotes, and escapes the character that follows */
        else if (strchr(escaped, *text))
            fputc('\\', file);
        fputc(*text, file);
        if (*text == '\'')
            fputc('\'', file); /* and begins them again */
    }
}

/* The words of "[job|template] …", separated by spaces, in `out`. False when there are none. */
static bool completion_choices(const char *text, char out[128])
{
    size_t length = text ? strcspn(text, " ") : 0;

    out[0] = '\0';
    if (length == 0 || length >= 128 || !memchr(text, '|', length))
        return false;
    for (size_t i = 0, size = 0; i < length; i++) {
        if (text[i] == '[' || text[i] == ']')
            continue;
        out[size++] = text[i] == '|' ? ' ' : text[i];
        out[size] = '\0';
    }
    return true;
}

static void completion_bash(const struct completion *completion, const char *folder)
{
    char path[1024], function[64], choices[128];
    FILE *file = completion_open(folder, "", completion->program, ".bash", path);

    snprintf(function, sizeof(function), "_%s", completion->program);
    for (char *at = function; *at; at++)
        if (*at == '-')
            *at = '_';
    fprintf(file, "# bash completion of %s\n%s() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n",
        completion->program, function);
    fputs("    case ${COMP_WORDS[COMP_CWORD - 1]} in\n", file);
    for (unsigned i = 0; i < completion->count; i++) {
        const struct completion_option *option = &completion->options[i];

        if (completion_choices(option->argument, choices))
            fprintf(file,
                "    %s) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); return ;;\n",
                option->name, choices);
        else if (option->argument)
            fprintf(file, "    %s) %s; return ;;\n", option->name,
                completion_takes_file(option) ? "mapfile -t COMPREPLY < <(compgen -f -- \"$word\")"
                                              : "COMPREPLY=()");
    }
    for (const struct completion_word *word = completion->words; word->name; word++)
        if (completion_choices(word->synopsis, choices))
            fprintf(file,
                "    %s) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); return ;;\n",
                word->name, choices);
    fputs("    esac\n    case $word in\n    -*) mapfile -t COMPREPLY < <(compgen -W '", file);
    for (unsigned i = 0; i < completion->count; i++)
        fprintf(file, "%s%s%s%s", i ? " " : "", completion->options[i].name,
            completion->options[i].short_name ? " " : "",
            completion->options[i].short_name ? completion->options[i].short_name : "");
    fputs("' -- \"$word\") ;;\n    *) mapfile -t COMPREPLY < <(compgen -W '", file);
    for (const struct completion_word *word = completion->words; word->name; word++)
        fprintf(file, "%s%s", word == completion->words ? "" : " ", word->name);
    fprintf(file,
        "' -- \"$word\"; compgen -f -- \"$word\") ;;\n    esac\n}\ncomplete -o filenames -F %s "
        "%s\n",
        function, completion->program);
    completion_close(file, path);
}

static void completion_zsh(const struct completion *completion, const char *folder)
{
    char path[1024], choices[128];
    FILE *file = completion_open(folder, "_", completion->program, "", path);

    fprintf(file, "#compdef %s\n_arguments -s", completion->program);
    for (unsigned i = 0; i < completion->count; i++) {
        const struct completion_option *option = &completion->options[i];

        if (option->short_name) {
            fprintf(file, " \\\n    '*%s[", option->short_name);
            completion_put(file, option->help, "[]:");
            fputs("]'", file);
        }
        fprintf(file, " \\\n    '*%s%s[", option->name, option->argument ? "=" : "");
        completion_put(file, option->help, "[]:");
        fputc(']', file);
        if (option->argument) {
            fputc(':', file);
            completion_put(file, option->argument, "[]:");
            if (completion_choices(option->argument, choices))
                fprintf(file, ":(%s)", choices);
            else
                fputs(completion_takes_file(option) ? ":_files" : ":", file);
        }
        fputc('\'', file);
    }
    fputs(" \\\n    '*: : _alternative \"files:file:_files\" \"words:command:(", file);
    for (const struct completion_word *word = completion->words; word->name; word++)
        fprintf(file, "%s%s", word == completion->words ? "" : " ", word->name);
    fputs(")\"'\n", file);
    completion_close(file, path);
}

static void completion_fish(const struct completion *completion, const char *folder)
{
    char path[1024], choices[128];
    FILE *file = completion_open(folder, "", completion->program, ".fish", path);

    for (unsigned i = 0; i < completion->count; i++) {
        const struct completion_option *option = &completion->options[i];

        fprintf(file, "complete -c %s -l %s", completion->program, option->name + 2);
        if (option->short_name)
            fprintf(file, " -s %s", option->short_name + 1);
        if (completion_choices(option->argument, choices))
            fprintf(file, " -x -a '%s'", choices);
        else if (option->argument)
            fputs(completion_takes_file(option) ? " -r" : " -x", file);
        fputs(" -d '", file);
        completion_put(file, option->help, "");
        fputs("'\n", file);
    }
    for (const struct completion_word *word = completion->words; word->name; word++) {
        fprintf(file, "complete -c %s -n __fish_use_subcommand -a %s\n", completion->program,
            word->name);
        if (completion_choices(word->synopsis, choices))
            fprintf(file, "complete -c %s -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                completion->program, word->name, choices);
    }
    completion_close(file, path);
}

void completion_write(const struct completion *completion, const char *folder)
{
    completion_bash(completion, folder);
    completion_zsh(completion, folder);
    completion_fish(completion, folder);
}
