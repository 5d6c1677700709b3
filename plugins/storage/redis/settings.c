/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plugins/storage/redis/wire.h"

static const char *const settings_durabilities[] = {"strict", "weaker", NULL};

#define AT(member) offsetof(struct redis_options, member)
static const struct iotify_setting settings_items[] = {
    {.name = "host",
        .type = IOTIFY_TYPE_STRING,
        .offset = AT(host),
        .value = "127.0.0.1",
        .help = "name or address of the server"},
    {.name = "port",
        .type = IOTIFY_TYPE_INTEGER,
        .offset = AT(port),
        .value = "6379",
        .min = 1,
        .max = 65535,
        .help = "TCP port of the server"},
    {.name = "socket",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = AT(socket),
        .help = "socket of a server on this machine, instead of host and port"},
    {.name = "username",
        .type = IOTIFY_TYPE_STRING,
        .offset = AT(username),
        .help = "user name, for servers with access control lists"},
    {.name = "password",
        .type = IOTIFY_TYPE_SECRET,
        .offset = AT(password),
        .help = "password; write it as ${NAME}, an environment variable"},
    {.name = "database",
        .type = IOTIFY_TYPE_INTEGER,
        .offset = AT(database),
        .value = "0",
        .max = 1000000,
        .help = "number of the database"},
    {.name = "prefix",
        .type = IOTIFY_TYPE_STRING,
        .offset = AT(prefix),
        .value = "iotify",
        .help = "begin of the names of all keys on the server; each job needs its own"},
    {.name = "tls",
        .type = IOTIFY_TYPE_BOOLEAN,
        .offset = AT(tls),
        .value = "false",
        .help = "connect by TLS"},
    {.name = "ca",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = AT(ca),
        .help = "file of root certificates to trust; default: the system's store"},
    {.name = "cert",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = AT(cert),
        .help = "file with the client's certificate"},
    {.name = "key",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = AT(key),
        .help = "file with the private key of the client's certificate"},
    {.name = "timeout",
        .type = IOTIFY_TYPE_DURATION,
        .offset = AT(timeout),
        .value = "10s",
        .min = 100000000,
        .max = 600 * INT64_C(1000000000),
        .help = "longest time for connecting, and for an answer"},
    {.name = "durability",
        .type = IOTIFY_TYPE_CHOICE,
        .offset = AT(durability),
        .value = "strict",
        IOTIFY_CHOICES(settings_durabilities),
        .help = "strict: devices are provisioned only if the server says appendfsync always"},
};
#undef AT
const struct iotify_settings redis_settings = IOTIFY_SETTINGS(settings_items, struct redis_options);

enum iotify_result redis_check(struct iotify_call *call, const void *given)
{
    const struct redis_options *options = given;

    if (options->socket && options->tls)
        return call->host->fail_setting(
            call, "tls", "\"tls\" is for connections by host and port, not by socket");
    if (!options->cert != !options->key)
        return call->host->fail_setting(
            call, options->cert ? "cert" : "key", "\"cert\" and \"key\" belong together: set both");
    if ((options->ca || options->cert) && !options->tls)
        return call->host->fail_setting(call, options->ca ? "ca" : "cert", "it needs tls: true");
    if (options->username && !options->password)
        return call->host->fail_setting(call, "username", "\"username\" needs password");
    if (!*options->prefix || strlen(options->prefix) > 200 || strpbrk(options->prefix, "{} \r\n"))
        return call->host->fail_setting(
            call, "prefix", "\"prefix\" takes 1 to 200 characters without blanks and braces");
    return IOTIFY_RESULT_OK;
}
