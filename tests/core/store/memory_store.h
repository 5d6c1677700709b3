/* SPDX-License-Identifier: Apache-2.0 */
/* A store of the plugin `memory`, for tests of code that uses stores. */
#ifndef TESTS_CORE_STORE_MEMORY_STORE_H
#define TESTS_CORE_STORE_MEMORY_STORE_H

#include "check.h"

#include "core/settings/schema.h"
#include "core/store/store.h"

static inline struct store *memory_store(struct registry *registry, struct arena *arena)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {arena, &diagnostics, "", "job", false};
    const struct plugin *plugin;
    struct store *store = NULL;
    const char *text;
    struct call call;

    registry_init(registry);
    assert_int_equal(registry_load(registry, "memory", &plugin, &text), REGISTRY_OK);
    call_init(&call, "test");
    assert_int_equal(store_open(&call, plugin,
                         schema_bind(&binder, plugin->descriptor.settings, NULL, "t",
                             (struct location){"t", 1, 1}, NULL, NULL),
                         &store),
        IOTIFY_RESULT_OK);
    call_clear(&call);
    diagnostics_clear(&diagnostics);
    return store;
}

#endif
