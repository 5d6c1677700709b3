/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void environment_set_number(const char *name, int number)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", number);
    setenv(name, text, 1);
}

/* Appends to a list in the environment. */
static void environment_add_to_list(const char *name, const char *separator, const char *item)
{
    const char *before = getenv(name);
    char *list = NULL;

    if (asprintf(&list, "%s%s%s", before ? before : "", before && *before ? separator : "", item) >
        0)
        setenv(name, list, 1);
    free(list);
}

/* Bypasses HTTP proxies for this machine, and adds the folder of this program to PATH. */
static void environment_set_surroundings(void)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash;

    environment_add_to_list("NO_PROXY", ",", "localhost,127.0.0.1");
    environment_add_to_list("no_proxy", ",", "localhost,127.0.0.1");
    program[length > 0 ? length : 0] = '\0';
    slash = strrchr(program, '/');
    if (!slash)
        return;
    *slash = '\0';
    environment_add_to_list("PATH", ":", program);
}

/* Removes variables that would make a program connect to AWS instead of the sandbox. */
static void environment_clear_detours(void)
{
    static const char *const names[] = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

/* The region has two variables: if only one is set, it applies to both. */
static void environment_set_region(void)
{
    const char *region = getenv("AWS_REGION"), *other = getenv("AWS_DEFAULT_REGION");

    setenv("AWS_REGION", other && *other ? other : "eu-central-1", region && !*region);
    region = getenv("AWS_REGION");
    setenv("AWS_DEFAULT_REGION", region ? region : "", other && !*other);
}

void environment_set(const struct environment *environment)
{
    char url[64], bundle[4200];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d", environment->api_port);
    snprintf(bundle, sizeof(bundle), "%s/ca.pem", environment->folder);
    setenv("AWS_ENDPOINT_URL_IOT", url, 1);
    setenv("AWS_ENDPOINT_URL_IOT_DATA_PLANE", url, 1);
    setenv("AWS_ENDPOINT_URL_STS", url, 1);
    setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", url, 1);
    setenv("AWS_ACCESS_KEY_ID", environment->access_key, 1);
    setenv("AWS_SECRET_ACCESS_KEY", environment->secret_key, 1);
    if (environment->own_keys)
        unsetenv("AWS_SESSION_TOKEN");
    environment_set_region();
    environment_clear_detours();
    setenv("AWS_CA_BUNDLE", bundle, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 0);
    environment_set_surroundings();
    environment_set_number("IOTIFY_SANDBOX_API_PORT", environment->api_port);
    environment_set_number("IOTIFY_SANDBOX_MQTT_PORT", environment->mqtt_port);
    environment_set_number("IOTIFY_SANDBOX_HTTPS_PORT", environment->https_port);
}
