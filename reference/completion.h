/* SPDX-License-Identifier: Apache-2.0 */
/* Shell completions of iotifyd and iotify-sandbox, from the tables of options. One thread. */
#ifndef REFERENCE_COMPLETION_H
#define REFERENCE_COMPLETION_H

/* One option of a program, copied from the program's own table. */
struct completion_option {
    const char *name, *short_name; /* NULL: it has none */
    const char *argument;          /* NULL: a flag; "text|json": one of these words */
    const char *help;
};

struct completion_word {
    const char *name;
    const char *synopsis; /* what follows; its first part may be words: "[job|template]" */
};

struct completion {
    const char *program;
    const struct completion_word *words; /* commands; ends with a NULL name */
    const struct completion_option *options;
    unsigned count;
};

/* Write PROGRAM.bash, _PROGRAM and PROGRAM.fish into `folder`; on failure exits after a message. */
void completion_write(const struct completion *completion, const char *folder);

#endif
