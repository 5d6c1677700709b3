/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the conformance suites share: the plugin with its settings, and the cases, which are
 * reported in the Test Anything Protocol. Main thread, unless stated otherwise.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "core/base/arena.h"
#include "core/plugin/registry.h"
#include "core/settings/tree.h"

struct suite {
    struct arena arena; /* until the end */
    struct registry registry;
    const struct plugin *plugin;
    struct node *settings; /* those of --set */
    const char *folder;    /* an empty one, the base of relative paths; removed at the end */
    const char *program;   /* the path of this program, to start it again */
    int argument_count;    /* of main() */
    char **arguments;
    bool durability;  /* --durability: the cases that take long */
    const char *only; /* --case: only cases whose names contain this; NULL: all */
    int count, failed, skips;
    const char *why; /* why the current case has failed; NULL: it has not */
    const char *skipped;
};

/*
 * Bind a table of settings to the mapping `key` of --set, NULL: to all of it. Exits with status 2
 * after messages when it is not valid.
 */
const void *suite_bind(
    struct suite *suite, const struct iotify_settings *settings, const char *key);

/* Run a case and report it; `data` is given to it. */
void suite_case(struct suite *suite, const char *name,
    void (*run)(struct suite *suite, const void *data), const void *data);
/*
 * The current case fails unless `good`; the first text is reported. Returns `good`. Also from other
 * threads.
 */
bool suite_check(struct suite *suite, bool good, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The current case does not apply. */
void suite_skip(struct suite *suite, const char *why);
/* Print the plan; the exit status: 0, or 1 when a case failed. */
int suite_end(struct suite *suite);

/* The number of descriptors that this process has open. */
int suite_descriptors(void);

/* The operation of struct activity that the suite's own code is. */
#define SUITE_OPERATION "what it returned to the suite"

/* The suites. */
void storage_suite(struct suite *suite);
void transport_suite(struct suite *suite);
void connector_suite(struct suite *suite);
/* The process that storage_suite() kills: writes, and prints what is acknowledged. */
int storage_suite_writer(struct suite *suite, const char *generation);

#endif
