/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates of the model: short texts in place of OpenSSL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/device/certificate.h"
#include "tests/plugins/aws/device/model/world.h"
#include "tests/plugins/aws/device/model/world_internal.h"

static bool put(struct iotify_buffer *out, const char *what, int number)
{
    return iotify_buffer_format(out, "%s-%d", what, number);
}

int world_key_of(const char *text)
{
    const char *key = text ? strstr(text, "KEY-") : NULL;

    return key ? atoi(key + 4) : -1;
}

void world_make_id(int number, char id[65])
{
    snprintf(id, 65, "%064x", (unsigned)number);
}

bool certificate_make_key(struct iotify_buffer *key)
{
    return put(key, "KEY", ++world.keys);
}

bool certificate_make(const char *common_name, int years, struct iotify_buffer *key,
    struct iotify_buffer *certificate, char id[65])
{
    (void)common_name;
    (void)years;
    world_make_id(1000 + ++world.keys, id);
    return put(key, "KEY", world.keys) && put(certificate, "CERT-OF-KEY", world.keys);
}

bool certificate_make_request(
    const char *key, const char *common_name, struct iotify_buffer *request)
{
    (void)common_name;
    return put(request, "CSR-OF-KEY", world_key_of(key));
}

bool certificate_key_id(const char *certificate, char id[65])
{
    world_make_id(world_key_of(certificate), id);
    return world_key_of(certificate) >= 0;
}

bool certificate_is_own(const char *certificate)
{
    return strncmp(certificate, "CERT-OF-KEY", 11) == 0;
}

bool certificate_public_id(const char *key, char id[65])
{
    world_make_id(world_key_of(key), id);
    return world_key_of(key) >= 0;
}

bool certificate_matches(const char *certificate, const char *key)
{
    return world_key_of(certificate) == world_key_of(key);
}
