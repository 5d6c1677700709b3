/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of a storage plugin, and a check of everything that it returns: nothing that it
 * says is believed. A violation is the failure `PluginFault` of the call, which names plugin,
 * operation and rule. They block as the plugin's thread model requires. Any thread.
 */
#ifndef CORE_STORE_GUARD_H
#define CORE_STORE_GUARD_H

#include <pthread.h>

#include "core/plugin/call.h"
#include "core/plugin/registry.h"

/* An open store of a plugin. */
struct guard {
    const struct plugin *plugin;
    void *instance;
    pthread_mutex_t lock; /* used when the plugin is IOTIFY_THREADS_PER_INSTANCE */
    bool strict;          /* also check what is too dear for every run */
};

/* Check the settings of a store, offline, before it is opened. */
enum iotify_result guard_check(struct call *call, const struct plugin *plugin, const void *options);
/* Open it. On an error there is nothing to close. */
enum iotify_result guard_open(
    struct guard *guard, struct call *call, const struct plugin *plugin, const void *options);
void guard_close(struct guard *guard);
/* Ask whether records survive what the plugin promises: an error says why not. */
enum iotify_result guard_verify_durability(struct guard *guard, struct call *call);

/* As the operations of the same names; after IOTIFY_RESULT_OK each read and write has a result. */
enum iotify_result guard_get_many(
    struct guard *guard, struct call *call, struct iotify_read *reads, size_t count);
/* With flush(), where there is one. */
enum iotify_result guard_apply(
    struct guard *guard, struct call *call, struct iotify_write *writes, size_t count);
enum iotify_result guard_scan(struct guard *guard, struct call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key),
    void *argument);

#endif
