/* SPDX-License-Identifier: Apache-2.0 */
#include <iotify/text.h>

#define HASH_PRIME UINT64_C(1099511628211)

int iotify_hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    character = (char)(character | 0x20);
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

void iotify_hex_encode(const void *bytes, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;

    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[from[i] >> 4];
        text[2 * i + 1] = digits[from[i] & 15];
    }
    text[2 * size] = '\0';
}

bool iotify_hex_decode(const char *text, void *bytes, size_t size)
{
    unsigned char *to = bytes;

    for (size_t i = 0; i < size; i++) {
        int high = iotify_hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : iotify_hex_digit(text[2 * i + 1]);

        if (low < 0)
            return false;
        to[i] = (unsigned char)(high << 4 | low);
    }
    return text[2 * size] == '\0';
}

uint64_t iotify_hash(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * HASH_PRIME;
    return hash;
}
