#include "sandbox/admin.h"

#include <stdlib.h>
#include <string.h>

static unsigned tell(const struct admin *admin, json_t **out)
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

static unsigned wrong(json_t **out, const char *why)
{
    *out = json_pack("{s:s}", "message", why);
    return 400;
}

static unsigned set_quotas(const struct admin *admin, const char *body, json_t **out)
{
    char *copy = strdup(body), *rest = NULL, why[256];
    unsigned status = 200;

    for (char *item = copy ? strtok_r(copy, ", \n", &rest) : NULL; item && status == 200;
         item = strtok_r(NULL, ", \n", &rest))
        if (!quotas_set(admin->quotas, item, why, sizeof(why)))
            status = wrong(out, why);
    free(copy);
    return status == 200 ? tell(admin, out) : status;
}

static unsigned set_seed(const struct admin *admin, const char *body, json_t **out)
{
    char *end;
    unsigned long long seed = strtoull(body, &end, 10);

    if (end == body || *end)
        return wrong(out, "a seed is a whole number");
    faults_seed(admin->faults, seed);
    return tell(admin, out);
}

unsigned admin_answer(
    const struct admin *admin, const char *method, const char *path, const char *body, json_t **out)
{
    char why[256];

    if (strcmp(method, "GET") == 0 && (!*path || strcmp(path, "/") == 0))
        return tell(admin, out);
    if (strcmp(method, "DELETE") == 0 && strcmp(path, "/calls") == 0) {
        counts_reset(admin->counts);
        return tell(admin, out);
    }
    if (strcmp(method, "PUT") == 0 && strcmp(path, "/faults") == 0)
        return faults_set(admin->faults, body, why, sizeof(why)) ? tell(admin, out)
                                                                 : wrong(out, why);
    if (strcmp(method, "PUT") == 0 && strcmp(path, "/quotas") == 0)
        return set_quotas(admin, body, out);
    if (strcmp(method, "PUT") == 0 && strcmp(path, "/seed") == 0)
        return set_seed(admin, body, out);
    *out = json_pack("{s:s}", "message",
        "the sandbox knows GET " ADMIN_PATH ", DELETE " ADMIN_PATH "/calls, and PUT " ADMIN_PATH
        "/faults, /quotas and /seed");
    return 404;
}
