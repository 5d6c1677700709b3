/* SPDX-License-Identifier: Apache-2.0 */
/* One request of the control plane: "METHOD target", a newline, the body. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size), *target, *body;
    struct response response = {0};

    if (!text)
        return 0;
    target = strchr(text, ' ');
    body = target ? strchr(target, '\n') : NULL;
    if (body) {
        *target++ = '\0';
        *body++ = '\0';
        /* Every request has an answer, and an error has a message and an error status. */
        if (strcmp(target, "/keys-and-certificate") != 0 &&
            world_call(text, target, body, strlen(body), &response) &&
            ((response.error != NULL) != (response.status >= 400) ||
                (response.error && !json_object_get(response.body, "message"))))
            abort();
        json_decref(response.body);
        free(response.text);
    }
    free(text);
    return 0;
}
