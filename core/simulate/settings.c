#include "core/simulate/settings.h"

#define AT(member) offsetof(struct simulate_options, member)
#define DAY (INT64_C(86400) * 1000000000)

static const char *const pacings[] = {"open", "closed", NULL};
static const char *const qualities[] = {"0", "1", NULL};
static const char *const backoffs[] = {"none", "fixed", "exponential", "full_jitter", NULL};

static const struct iotify_setting items[] = {
    {"template", IOTIFY_STRING, IOTIFY_REQUIRED | IOTIFY_PATH, AT(template), NULL, 0, 0, NULL,
        "the template file, relative to the job file"},
    {"transport", IOTIFY_STRING, 0, AT(transport), NULL, 0, 0, NULL,
        "alias of the transport, or none; default: what the template says"},
    {"clients", IOTIFY_INTEGER, 0, AT(clients), NULL, 1, 10000000, NULL,
        "how many clients take part; default: all of the job"},
    {"first", IOTIFY_INTEGER, 0, AT(first), NULL, 0, 10000000, NULL,
        "index of the first client that takes part; default: the job's first"},
    {"iterations", IOTIFY_INTEGER, 0, AT(iterations), NULL, 1, INT64_C(100000000000), NULL,
        "messages of each client; default: 10, or no limit where duration is given"},
    {"duration", IOTIFY_DURATION, 0, AT(duration), NULL, 1, 365 * DAY, NULL,
        "end after this time, however many iterations are left"},
    {"interval", IOTIFY_DURATION, 0, AT(interval), "1s", 0, 365 * DAY, NULL,
        "time between two messages of one client"},
    {"jitter", IOTIFY_DURATION, 0, AT(jitter), "0", 0, 365 * DAY, NULL,
        "each message is later by a random part of this time"},
    {"pacing", IOTIFY_CHOICE, 0, AT(pacing), "open", 0, 0, pacings,
        "open: the schedule does not wait for answers; closed: interval counts from the answer"},
    {"connect_rate", IOTIFY_RATE, 0, AT(connect_rate), "200/s", 1, 100000, NULL,
        "new connections a second, of all clients together"},
    {"qos", IOTIFY_CHOICE, 0, AT(qos), NULL, 0, 0, qualities,
        "quality of service in place of the template's publish.qos"},
    {"reconnect.backoff", IOTIFY_CHOICE, 0, AT(backoff), "full_jitter", 0, 0, backoffs,
        "pause before connecting again; none: at once"},
    {"reconnect.cap", IOTIFY_DURATION, 0, AT(backoff_cap), "60s", 1, DAY, NULL,
        "longest pause; the pause itself where backoff is fixed"},
    {"reconnect.attempts", IOTIFY_INTEGER, 0, AT(attempts), "5", 1, 1000000, NULL,
        "failed attempts in a row after which a client gives up"},
    {"seed", IOTIFY_INTEGER, 0, AT(seed), "1", 0, INT64_MAX, NULL,
        "makes jitter and the scripts' random values the same in every run"},
    {"loops", IOTIFY_INTEGER, 0, AT(loops), "1", 1, 64, NULL,
        "event loops, each with a thread and a share of the clients"},
    {"time_limit", IOTIFY_DURATION, 0, AT(time_limit), "1s", 1000000, DAY, NULL,
        "longest time of one call into a script"},
    {"thresholds", IOTIFY_LIST, 0, AT(thresholds), NULL, 0, 0, NULL,
        "conditions on the results, such as publish.p99 < 500ms; exit code 99 when one fails"},
};

const struct iotify_settings simulate_settings = IOTIFY_SETTINGS(items, struct simulate_options);
