/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/policy/topic.h"

#include <string.h>

#define TOPIC_MAX 256
#define SLASHES_MAX 7

static bool topic_begins(const char *topic, size_t size, const char *with)
{
    return size >= strlen(with) && memcmp(topic, with, strlen(with)) == 0;
}

/* The length of `prefix` and the name and slash after it; 0: the topic does not begin with it. */
static size_t topic_skip(const char *topic, size_t size, const char *prefix)
{
    size_t length = strlen(prefix);
    const char *slash;

    if (!topic_begins(topic, size, prefix))
        return 0;
    slash = memchr(topic + length, '/', size - length);
    return slash ? (size_t)(slash + 1 - topic) : 0;
}

bool topic_fits(const char *topic, size_t size)
{
    size_t skipped = topic_skip(topic, size, "$share/"), slashes = 0;

    skipped += topic_skip(topic + skipped, size - skipped, "$aws/rules/");
    for (size_t i = skipped; i < size; i++)
        slashes += topic[i] == '/';
    return size - skipped <= TOPIC_MAX && slashes <= SLASHES_MAX && size < TOPIC_BYTES_MAX;
}

bool topic_reserved(const char *topic, size_t size, enum topic_use use)
{
    size_t skipped = use == TOPIC_SUBSCRIBE ? topic_skip(topic, size, "$share/") : 0;

    return topic_begins(topic + skipped, size - skipped, "$") &&
           !topic_begins(topic + skipped, size - skipped, "$aws/");
}
