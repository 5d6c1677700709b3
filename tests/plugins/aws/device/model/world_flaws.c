/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions that must hold after a run. */
#include <string.h>

#include "tests/plugins/aws/device/model/world.h"
#include "tests/plugins/aws/device/model/world_internal.h"

size_t world_certificates(bool active)
{
    size_t count = 0;

    for (size_t i = 0; i < world.certificate_count; i++)
        count += world.certificates[i].there && world.certificates[i].active == active;
    return count;
}

const char *world_flaw(void)
{
    for (size_t i = 0; i < world.certificate_count && !world.disowned; i++) {
        bool recorded = false;

        for (int j = 0; j < DEVICES; j++)
            recorded = recorded || (world.store[j].value &&
                                       strstr(world.store[j].value, world.certificates[i].id));
        if (world.certificates[i].there && world.certificates[i].active && !recorded)
            return "an active certificate that no record names";
    }
    return NULL;
}

/* Compare the glob's certificate and key of the device. NULL: they match. */
static const char *glob_flaw(int client, const struct certificate *certificate)
{
    const char *key = world.store[KEYS + client].value, *pem = world.store[CERTS + client].value;

    if (!key || !pem)
        return "no key or certificate in the glob";
    if (world_key_of(key) != certificate->key || strcmp(pem, certificate->pem) != 0)
        return "key or certificate in the glob are others";
    return NULL;
}

static const char *orphans_flaw(void)
{
    for (size_t i = 0; i < world.certificate_count; i++) {
        const struct certificate *certificate = &world.certificates[i];

        if (!certificate->there || certificate->active)
            continue;
        if (world.options.issuer != ISSUER_AWS)
            return "an inactive certificate is left";
        if (!certificate->mentioned)
            return "an inactive certificate is left and was not reported";
    }
    return NULL;
}

const char *world_deployed_flaw(void)
{
    if (world_certificates(true) != DEVICES)
        return "not exactly one active certificate a device";
    for (int i = 0; i < DEVICES; i++) {
        const struct thing *thing = &world.things[i];
        const struct certificate *certificate =
            world_find_certificate(thing->foreign ? thing->adopted : thing->certificate);
        const char *flaw;

        if (!world.things[i].there || !world.things[i].in_group)
            return "no thing, or not in the group";
        if (!certificate || !certificate->active || !certificate->has_policy ||
            !certificate->has_thing)
            return "the certificate is not active and tied";
        flaw = glob_flaw(i, certificate);
        if (flaw)
            return flaw;
    }
    return orphans_flaw();
}

const char *world_clean_flaw(void)
{
    if (world_certificates(true))
        return "an active certificate is left";
    for (int i = 0; i < DEVICES; i++) {
        if (world.things[i].there && !world.things[i].foreign)
            return "a thing is left";
        if (world.options.adopt && !world.things[i].foreign)
            return "a thing of somebody else is gone";
        if (*world.things[i].adopted || world.things[i].in_group)
            return "a thing of somebody else is marked or in the group still";
        if (world.store[i].value || world.store[KEYS + i].value || world.store[CERTS + i].value)
            return "a record or a glob entry is left";
    }
    return orphans_flaw();
}
