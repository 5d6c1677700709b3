#include "sandbox/topic.h"

#include <string.h>

#define TOPIC_MAX 256
#define SLASHES_MAX 7

static bool begins(struct mqtt_text topic, const char *with)
{
    return topic.size >= strlen(with) && memcmp(topic.data, with, strlen(with)) == 0;
}

/* Behind `prefix` and one name more; unchanged where it does not begin so. */
static struct mqtt_text behind(struct mqtt_text topic, const char *prefix)
{
    size_t size = strlen(prefix);
    const char *slash;

    if (!begins(topic, prefix))
        return topic;
    slash = memchr(topic.data + size, '/', topic.size - size);
    if (!slash)
        return topic;
    size = (size_t)(slash + 1 - topic.data);
    return (struct mqtt_text){topic.data + size, topic.size - size};
}

bool topic_fits(struct mqtt_text topic)
{
    struct mqtt_text counted = behind(behind(topic, "$share/"), "$aws/rules/");
    size_t slashes = 0;

    for (size_t i = 0; i < counted.size; i++)
        slashes += counted.data[i] == '/';
    return counted.size <= TOPIC_MAX && slashes <= SLASHES_MAX && topic.size < TOPIC_BYTES_MAX;
}

bool topic_reserved(struct mqtt_text topic, enum topic_use use)
{
    struct mqtt_text shared = use == TOPIC_SUBSCRIBE ? behind(topic, "$share/") : topic;

    return begins(shared, "$") && !begins(shared, "$aws/");
}

bool topic_publishable(const char *topic)
{
    struct mqtt_text text = {topic, strlen(topic)};

    return mqtt_valid_topic(text) && topic_fits(text) && !topic_reserved(text, TOPIC_PUBLISH);
}
