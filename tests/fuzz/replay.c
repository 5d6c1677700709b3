/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces libFuzzer in the tests: runs every file of a corpus and some hundred mutated copies of
 * each, the same in every run.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 65536

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Change, remove or duplicate some bytes; returns the new size. */
static size_t change(uint8_t *data, size_t size, uint64_t *random)
{
    for (uint64_t times = next(random) % 4 + 1; times > 0 && size > 0; times--) {
        size_t at = next(random) % size, length = next(random) % 16 + 1;

        length = length < size - at ? length : size - at;
        switch (next(random) % 4) {
        case 0:
            data[at] = (uint8_t)next(random);
            break;
        case 1:
            data[at] ^= (uint8_t)(1 << next(random) % 8);
            break;
        case 2:
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        default:
            if (size + length > INPUT_MAX)
                break;
            memmove(data + at + length, data + at, size - at);
            size += length;
        }
    }
    return size;
}

static int replay(const char *path, uint64_t *random)
{
    static uint8_t data[INPUT_MAX], copy[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file)
        return 0;
    size = fread(data, 1, sizeof(data), file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    for (int i = 0; i < COPIES; i++) {
        uint8_t *exact;
        size_t changed;

        memcpy(copy, data, size);
        changed = change(copy, size, random);
        /* In a block of the exact size, so that sanitizers detect an access beyond it. */
        exact = malloc(changed ? changed : 1);
        if (!exact)
            abort();
        memcpy(exact, copy, changed);
        LLVMFuzzerTestOneInput(exact, changed);
        free(exact);
    }
    return 1;
}

int main(int count, char **arguments)
{
    uint64_t random = 88172645463325252U;
    struct dirent **entries = NULL;
    int found = count == 2 ? scandir(arguments[1], &entries, NULL, alphasort) : -1, files = 0;
    char path[4096];

    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", arguments[1], entries[i]->d_name);
            files += replay(path, &random);
        }
        free(entries[i]);
    }
    free(entries);
    printf("%d files, each with %d changed copies\n", files, COPIES);
    return files > 0 ? 0 : 1;
}
