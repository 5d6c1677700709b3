/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts to a store, as the host makes them: bench-puts PLUGIN BATCH SECONDS [KEY=VALUE…], with
 * settings of the plugin. Prints the number of puts per second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/settings/override.h"
#include "core/settings/schema.h"
#include "core/store/guard.h"

#define KEYS 100000

int main(int count, char **arguments)
{
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct binder binder = {
        .arena = &arena, .diagnostics = &diagnostics, .directory = ".", .name = "bench"};
    struct node *map = tree_parse_text(&arena, &diagnostics, "settings", "{}");
    size_t batch = count > 3 ? strtoul(arguments[2], NULL, 10) : 0, done = 0;
    struct iotify_write *writes = memory_new(batch + 1, sizeof(*writes));
    char(*keys)[32] = memory_new(batch + 1, sizeof(*keys)), value[100];
    struct registry registry;
    const struct plugin *plugin;
    struct guard guard;
    struct call call;
    const char *text;
    int64_t began, ends;
    unsigned random = 1;

    registry_init(&registry);
    if (batch == 0 || registry_load(&registry, arguments[1], &plugin, &text) != REGISTRY_OK) {
        fprintf(stderr, "usage: bench-puts PLUGIN BATCH SECONDS [KEY=VALUE…]\n");
        return 2;
    }
    for (int i = 4; i < count; i++)
        override_apply(&arena, &diagnostics, map, arguments[i]);
    call_init(&call, "bench");
    memset(value, 'v', sizeof(value));
    if (guard_open(&guard, &call, plugin,
            schema_bind(&binder, plugin->descriptor.settings, map, "bench",
                (struct location){"", 0, 0}, NULL, NULL)) != IOTIFY_RESULT_OK) {
        fprintf(stderr, "%s\n", call.message);
        return 1;
    }
    began = clock_now();
    ends = began + strtol(arguments[3], NULL, 10) * SECOND;
    while (clock_now() < ends) {
        for (size_t i = 0; i < batch; i++) {
            snprintf(keys[i], sizeof(keys[i]), "key:%012d", rand_r(&random) % KEYS);
            writes[i] = (struct iotify_write){
                .kind = IOTIFY_WRITE_PUT, .key = keys[i], .value = {value, sizeof(value)}};
        }
        if (guard_apply(&guard, &call, writes, batch) != IOTIFY_RESULT_OK) {
            fprintf(stderr, "%s\n", call.message);
            return 1;
        }
        done += batch;
        arena_reset(&call.arena);
    }
    printf("%.0f\n", (double)done * SECOND / (double)(clock_now() - began));
    guard_close(&guard);
    call_clear(&call);
    return 0;
}
