/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

const char *digest_text(struct arena *arena, const char *text, size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    char *digits;

    EVP_Digest(text, size, digest, &length, EVP_sha256(), NULL);
    digits = arena_alloc(arena, 2 * (size_t)length + 1);
    for (unsigned i = 0; i < length; i++)
        snprintf(digits + (size_t)2 * i, 3, "%02x", digest[i]);
    return digits;
}
