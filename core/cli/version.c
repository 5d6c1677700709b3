/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/version.h"

#include <JavaScriptCore/JavaScript.h>
#include <jsc/jsc.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "core/plugin/registry.h"

static void version_print_plugin(void *argument, const char *name)
{
    const struct plugin *plugin;
    const char *text;

    if (registry_load(argument, name, &plugin, &text) == REGISTRY_OK &&
        plugin->descriptor.libraries)
        printf("%s %s: %s\n", plugin->name, plugin->descriptor.version,
            plugin->descriptor.libraries());
}

void version_print(void)
{
    struct registry registry;

    printf("iotifyd %s (%s), plugin ABI %d.%d\n", IOTIFY_VERSION, IOTIFY_COMMIT, IOTIFY_ABI_MAJOR,
        IOTIFY_ABI_MINOR);
    printf("%s, JavaScriptCore %u.%u.%u\n", OpenSSL_version(OPENSSL_VERSION),
        jsc_get_major_version(), jsc_get_minor_version(), jsc_get_micro_version());
    registry_init(&registry);
    registry_list(&registry, version_print_plugin, &registry);
    registry_clear(&registry);
}
