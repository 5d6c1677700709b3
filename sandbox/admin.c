/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/admin.h"

#include <string.h>

static unsigned admin_status(const struct admin *admin, json_t **out)
{
    struct iotify_buffer faults;

    iotify_buffer_init(&faults, 64 * 1024);
    faults_print(admin->faults, &faults);
    *out = json_pack("{s:o, s:s, s:I, s:I}", "calls", counts_json(admin->counts), "faults",
        iotify_buffer_text(&faults), "sessions", (json_int_t)admin->sessions(admin->argument),
        "keys_ready", (json_int_t)key_pool_ready(admin->pool));
    iotify_buffer_clear(&faults);
    return 200;
}

static unsigned admin_wrong(json_t **out, const char *why)
{
    *out = json_pack("{s:s}", "message", why);
    /* `why` may quote a body that is not UTF-8. */
    if (!*out)
        *out = json_pack("{s:s}", "message", "the body is not UTF-8");
    return 400;
}

unsigned admin_answer(
    const struct admin *admin, const char *method, const char *path, const char *body, json_t **out)
{
    char why[256];

    if (strcmp(method, "GET") == 0 && (!*path || *path == '?' || strcmp(path, "/") == 0))
        return admin_status(admin, out);
    if (strcmp(method, "DELETE") == 0 && strcmp(path, "/calls") == 0) {
        counts_reset(admin->counts);
        return admin_status(admin, out);
    }
    if (strcmp(method, "PUT") == 0 && strcmp(path, "/faults") == 0)
        return faults_set(admin->faults, body, why, sizeof(why)) ? admin_status(admin, out)
                                                                 : admin_wrong(out, why);
    if (strcmp(method, "PUT") == 0 && strcmp(path, "/quotas") == 0)
        return quotas_set(admin->quotas, body, why, sizeof(why)) ? admin_status(admin, out)
                                                                 : admin_wrong(out, why);
    if (strcmp(method, "PUT") == 0 && strcmp(path, "/seed") == 0)
        return faults_seed(admin->faults, body) ? admin_status(admin, out)
                                                : admin_wrong(out, "a seed is a whole number");
    *out = json_pack("{s:s}", "message",
        "the sandbox has GET " ADMIN_PATH ", DELETE " ADMIN_PATH "/calls, and PUT " ADMIN_PATH
        "/faults, /quotas and /seed");
    return 404;
}
