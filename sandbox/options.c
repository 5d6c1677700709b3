/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/suggest.h"
#include "core/base/value.h"
#include "core/base/wrap.h"
#include "sandbox/reference.h"

const struct sandbox_options_entry sandbox_options_table[] = {
    {.name = "--dir",
        .argument = "DIR",
        .help = "keep state and root certificate in DIR; default: keep nothing"},
    {.name = "--ephemeral", .help = "with --dir: keep only the root certificate"},
    {.name = "--reset", .help = "with --dir: delete the state that DIR holds"},
    {.name = "--listen",
        .argument = "ADDRESS",
        .help = "address to listen on (127.0.0.1); anyone who reaches it can use it"},
    {.name = "--api-port",
        .argument = "PORT",
        .help = "port of the control plane (7070); 0 is any free port, also below, and the default "
                "with a COMMAND"},
    {.name = "--mqtt-port", .argument = "PORT", .help = "port of MQTT (8883)"},
    {.name = "--https-port", .argument = "PORT", .help = "port of publishing by HTTPS (8443)"},
    {.name = "--quota",
        .argument = "NAME=RATE",
        .help = "calls per second of an operation, of all (*), or aws for AWS's defaults; also "
                "Connect and ConnectPerClientId; repeatable; default: no limit"},
    {.name = "--fault",
        .argument = "LIST",
        .help = "throttle, error, drop_request, drop_reply, reset, refuse, drop and stall in "
                "percent, latency as a duration, for all operations or one: "
                "throttle=10%,CreateThing:drop_reply=5%,latency=50ms~20ms; repeatable"},
    {.name = "--seed",
        .argument = "NUMBER",
        .help = "seed of the faults (1): the same faults in every run"},
    {.name = "--deprecation-wait",
        .argument = "TIME",
        .help = "time from deprecating a thing type to deleting it (5m)"},
    {.name = "--detach-delay",
        .argument = "TIME",
        .help = "time until a detached certificate is off its thing (500ms)"},
    {.name = "--operations", .help = "print the operations of the API as a table"},
    {.name = "--version", .help = "print the version"},
    {.name = "--help", .short_name = "-h", .help = "show this help"},
};
const size_t sandbox_options_count =
    sizeof(sandbox_options_table) / sizeof(sandbox_options_table[0]);

#define INDENT 27
#define PORT_UNSET (-1)

static void options_show_help(void)
{
    printf(
        "Usage: iotify-sandbox [OPTIONS] [-- COMMAND…]\n"
        "\n"
        "AWS IoT on this machine: the control plane, and MQTT with mutual TLS in front of a real\n"
        "broker. With a COMMAND: start, run it with endpoints, credentials and region in its\n"
        "environment, stop.\n\n");
    for (size_t i = 0; i < sandbox_options_count; i++) {
        const struct sandbox_options_entry *entry = &sandbox_options_table[i];
        int column = printf("  %s%s%s%s%s", entry->short_name ? entry->short_name : "",
            entry->short_name ? ", " : "", entry->name, entry->argument ? " " : "",
            entry->argument ? entry->argument : "");

        printf("%*s", column < INDENT ? INDENT - column : 1, "");
        wrap_print(stdout, entry->help, INDENT, INDENT);
    }
    printf("\nWhile it runs, GET /_sandbox on the API's port reports the calls made; PUT\n"
           "/_sandbox/faults, /_sandbox/quotas and /_sandbox/seed set what the options set.\n");
}

static bool options_wrong(const char *option, const char *why)
{
    fprintf(stderr, "iotify-sandbox: %s: %s\n", option, why);
    return false;
}

static bool options_take_number(const char *option, const char *text, long most, long *out)
{
    char *end, why[64];

    errno = 0;
    *out = strtol(text, &end, 10);
    if (*text && !*end && errno == 0 && *out >= 0 && *out <= most)
        return true;
    snprintf(why, sizeof(why), "takes a whole number from 0 to %ld", most);
    return options_wrong(option, why);
}

/* A bare number is seconds. */
static bool options_take_time(const char *option, const char *text, int64_t *out_ms)
{
    int64_t duration;
    char *end;
    double seconds = strtod(text, &end);

    if (*text && !*end && seconds >= 0 && seconds <= 86400)
        *out_ms = (int64_t)(seconds * 1000);
    else if (value_parse_duration(text, &duration) && duration <= INT64_C(86400000000000))
        *out_ms = duration / 1000000;
    else
        return options_wrong(option, "takes a time such as 500ms, 30s or 5m, at most a day");
    return true;
}

static bool options_take_address(struct sandbox_options *options, const char *text)
{
    struct in_addr address;

    options->address = text;
    return inet_pton(AF_INET, text, &address) == 1 ||
           options_wrong("--listen", "takes an IPv4 address such as 127.0.0.1 or 0.0.0.0");
}

static bool options_take_seed(struct sandbox_options *options, const char *text)
{
    return faults_seed(options->faults, text) || options_wrong("--seed", "takes a whole number");
}

static bool options_take_value(
    struct sandbox_options *options, const char *option, const char *value)
{
    char why[256];

    if (strcmp(option, "--dir") == 0) {
        options->folder = value;
        return *value || options_wrong(option, "takes the name of a folder");
    }
    if (strcmp(option, "--listen") == 0)
        return options_take_address(options, value);
    if (strcmp(option, "--api-port") == 0)
        return options_take_number(option, value, 65535, &options->api_port);
    if (strcmp(option, "--mqtt-port") == 0)
        return options_take_number(option, value, 65535, &options->mqtt_port);
    if (strcmp(option, "--https-port") == 0)
        return options_take_number(option, value, 65535, &options->https_port);
    if (strcmp(option, "--deprecation-wait") == 0)
        return options_take_time(option, value, &options->deprecation_wait_ms);
    if (strcmp(option, "--detach-delay") == 0)
        return options_take_time(option, value, &options->detach_wait_ms);
    if (strcmp(option, "--seed") == 0)
        return options_take_seed(options, value);
    if (strcmp(option, "--quota") == 0)
        return quotas_set(options->quotas, value, why, sizeof(why)) || options_wrong(option, why);
    return faults_set(options->faults, value, why, sizeof(why)) || options_wrong(option, why);
}

static bool options_unknown(const char *option)
{
    struct suggest suggest;

    suggest_init(&suggest, option);
    for (size_t i = 0; i < sandbox_options_count; i++)
        suggest_offer(&suggest, sandbox_options_table[i].name);
    fprintf(stderr, "iotify-sandbox: unknown option %s%s; see --help\n", option,
        suggest_hint(&suggest, ""));
    return false;
}

static enum sandbox_options_outcome options_take_flag(
    struct sandbox_options *options, const char *option)
{
    if (strcmp(option, "--ephemeral") == 0)
        options->ephemeral = true;
    else if (strcmp(option, "--reset") == 0)
        options->reset = true;
    else if (strcmp(option, "--operations") == 0)
        reference_print(stdout);
    else if (strcmp(option, "--version") == 0)
        printf("iotify-sandbox %s\n", IOTIFY_VERSION);
    else
        options_show_help();
    return strcmp(option, "--ephemeral") == 0 || strcmp(option, "--reset") == 0
               ? SANDBOX_OPTIONS_RUN
               : SANDBOX_OPTIONS_DONE;
}

/* One option at arguments[*at]; moves past its value. */
static enum sandbox_options_outcome options_take(
    struct sandbox_options *options, int count, char **arguments, int *at)
{
    const char *argument = arguments[*at], *equals = strchr(argument, '=');
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument), i = 0;
    const char *value = equals ? equals + 1 : NULL;

    if (strcmp(argument, "-h") == 0)
        return options_take_flag(options, "--help");
    while (i < sandbox_options_count &&
           (strlen(sandbox_options_table[i].name) != length ||
               strncmp(sandbox_options_table[i].name, argument, length) != 0))
        i++;
    if (i == sandbox_options_count)
        return options_unknown(argument) ? SANDBOX_OPTIONS_RUN : SANDBOX_OPTIONS_BAD;
    if (!sandbox_options_table[i].argument) {
        if (value)
            return options_wrong(sandbox_options_table[i].name, "takes no value")
                       ? SANDBOX_OPTIONS_RUN
                       : SANDBOX_OPTIONS_BAD;
        return options_take_flag(options, sandbox_options_table[i].name);
    }
    if (!value && *at + 1 < count)
        value = arguments[++*at];
    if (!value)
        return options_wrong(sandbox_options_table[i].name, "needs a value") ? SANDBOX_OPTIONS_RUN
                                                                             : SANDBOX_OPTIONS_BAD;
    return options_take_value(options, sandbox_options_table[i].name, value) ? SANDBOX_OPTIONS_RUN
                                                                             : SANDBOX_OPTIONS_BAD;
}

/* With a command any free port will do: the command finds it in its environment. */
static void options_default_port(long *port, long usual, char *const *command)
{
    if (*port == PORT_UNSET)
        *port = command ? 0 : usual;
}

enum sandbox_options_outcome sandbox_options_parse(
    struct sandbox_options *options, int count, char **arguments)
{
    enum sandbox_options_outcome outcome = SANDBOX_OPTIONS_RUN;

    *options = (struct sandbox_options){.address = "127.0.0.1",
        .api_port = PORT_UNSET,
        .mqtt_port = PORT_UNSET,
        .https_port = PORT_UNSET,
        .deprecation_wait_ms = 300000,
        .detach_wait_ms = 500,
        .faults = faults_new(1),
        .quotas = quotas_new()};
    for (int i = 1; i < count && outcome == SANDBOX_OPTIONS_RUN; i++) {
        if (strcmp(arguments[i], "--") == 0) {
            options->command = arguments + i + 1;
            if (!*options->command)
                return options_wrong("--", "needs a command after it") ? SANDBOX_OPTIONS_RUN
                                                                       : SANDBOX_OPTIONS_BAD;
            break;
        }
        outcome = options_take(options, count, arguments, &i);
    }
    options_default_port(&options->api_port, 7070, options->command);
    options_default_port(&options->mqtt_port, 8883, options->command);
    options_default_port(&options->https_port, 8443, options->command);
    if (outcome == SANDBOX_OPTIONS_RUN && options->reset && !options->folder)
        return options_wrong("--reset", "needs --dir") ? SANDBOX_OPTIONS_RUN : SANDBOX_OPTIONS_BAD;
    return outcome;
}

void sandbox_options_clear(struct sandbox_options *options)
{
    faults_free(options->faults);
    quotas_free(options->quotas);
}
