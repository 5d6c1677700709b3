#include "core/simulate/settings.h"

#define AT(member) offsetof(struct simulate_options, member)
#define DAY (INT64_C(86400) * 1000000000)

static const char *const pacings[] = {"open", "closed", NULL};
static const char *const qualities[] = {"0", "1", NULL};
static const char *const backoffs[] = {"none", "fixed", "exponential", "full_jitter", NULL};

static const char *const verifications[] = {"none", "end_to_end", NULL};

static const struct iotify_setting stage_items[] = {
    {"name", IOTIFY_STRING, 0, offsetof(struct stage, name), NULL, 0, 0, NULL,
        "what the stage is called in the log"},
    {"duration", IOTIFY_DURATION, IOTIFY_REQUIRED, offsetof(struct stage, duration), NULL, 1000000,
        365 * DAY, NULL, "how long it lasts"},
    {"clients", IOTIFY_INTEGER, 0, offsetof(struct stage, clients), "-1", 0, 10000000, NULL,
        "clients that take part at its end; their number changes evenly"},
    {"rate", IOTIFY_RATE, 0, offsetof(struct stage, rate), NULL, 1, 100000000, NULL,
        "messages a second of all clients together at its end; changes evenly"},
    {"storm", IOTIFY_SHARE, 0, offsetof(struct stage, storm), NULL, 0, 0, NULL,
        "share of the connections that breaks when it begins; they come back by reconnect"},
};
static const struct iotify_settings stage_settings = IOTIFY_SETTINGS(stage_items, struct stage);

static const struct iotify_setting threshold_items[] = {
    {"expression", IOTIFY_STRING, IOTIFY_REQUIRED, offsetof(struct threshold_options, expression),
        NULL, 0, 0, NULL, "METRIC < VALUE, such as publish.p99 < 500ms"},
    {"abort", IOTIFY_BOOLEAN, 0, offsetof(struct threshold_options, abort), "false", 0, 0, NULL,
        "end the simulation as soon as it is crossed"},
    {"grace", IOTIFY_DURATION, 0, offsetof(struct threshold_options, grace), "0", 0, 365 * DAY,
        NULL, "abort not before this time has passed"},
};
static const struct iotify_settings threshold_settings =
    IOTIFY_SETTINGS(threshold_items, struct threshold_options);

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
    {"hold", IOTIFY_DURATION, 0, AT(hold), "0", 0, 365 * DAY, NULL,
        "a client stays connected so long after its last message"},
    {"pacing", IOTIFY_CHOICE, 0, AT(pacing), "open", 0, 0, pacings,
        "open: the schedule does not wait for answers; closed: interval counts from the answer"},
    {"connect_rate", IOTIFY_RATE, 0, AT(connect_rate), "200/s", 1, 100000, NULL,
        "new connections a second, of all clients together"},
    {"stages", IOTIFY_TABLE, 0, AT(stages), NULL, 0, 0, &stage_settings,
        "the load over time, in place of duration: one stage behind the other"},
    {"qos", IOTIFY_CHOICE, 0, AT(qos), NULL, 0, 0, qualities,
        "quality of service in place of the template's publish.qos"},
    {"verify", IOTIFY_CHOICE, 0, AT(verify), "none", 0, 0, verifications,
        "end_to_end: every message has to come back to its client by a subscription"},
    {"verify_within", IOTIFY_DURATION, 0, AT(verify_within), "10s", 1000000, DAY, NULL,
        "with verify: what comes back later is late; how long the end of a run waits for it"},
    {"reconnect.backoff", IOTIFY_CHOICE, 0, AT(backoff), "full_jitter", 0, 0, backoffs,
        "pause before connecting again; none: at once"},
    {"reconnect.cap", IOTIFY_DURATION, 0, AT(backoff_cap), "60s", 1, DAY, NULL,
        "longest pause; the pause itself where backoff is fixed"},
    {"reconnect.attempts", IOTIFY_INTEGER, 0, AT(attempts), "5", 1, 1000000, NULL,
        "failed attempts in a row after which a client gives up"},
    {"seed", IOTIFY_INTEGER, 0, AT(seed), "1", 0, INT64_MAX, NULL,
        "makes jitter and the scripts' random values the same in every run"},
    {"loops", IOTIFY_INTEGER, 0, AT(loops), NULL, 1, 64, NULL,
        "event loops, each with a thread and a share of the clients; default: one a core"},
    {"time_limit", IOTIFY_DURATION, 0, AT(time_limit), "1s", 1000000, DAY, NULL,
        "longest time of one call into a script"},
    {"wait_limit", IOTIFY_DURATION, 0, AT(wait_limit), "30s", 1000000, DAY, NULL,
        "longest time that a script's function may wait for a promise"},
    {"memory_limit", IOTIFY_SIZE, 0, AT(memory_limit), "1GiB", 1 << 24, INT64_C(1) << 40, NULL,
        "most memory of the scripts of one loop"},
    {"thresholds", IOTIFY_TABLE, 0, AT(thresholds), NULL, 0, 0, &threshold_settings,
        "conditions on the results; exit code 99 when one fails"},
    {"capture.file", IOTIFY_STRING, IOTIFY_PATH, AT(capture_file), NULL, 0, 0, NULL,
        "write what happened in each iteration to this file, one JSON object a line"},
    {"capture.state", IOTIFY_BOOLEAN, 0, AT(capture_state), "true", 0, 0, NULL,
        "capture the client's state, without hidden keys"},
    {"capture.payload", IOTIFY_BOOLEAN, 0, AT(capture_payload), "true", 0, 0, NULL,
        "capture the payload"},
    {"capture.logs", IOTIFY_BOOLEAN, 0, AT(capture_logs), "true", 0, 0, NULL,
        "capture what the script printed"},
    {"capture.sample", IOTIFY_SHARE, 0, AT(capture_sample), "100%", 0, 0, NULL,
        "share of the iterations that is captured"},
};

const struct iotify_settings simulate_settings = IOTIFY_SETTINGS(items, struct simulate_options);
