/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries every combination of a few faults while a device is created and removed, with the
 * connector's own code: repeating the same commands must reach the same result.
 *
 *     test-model [FAULTS [NAME]]    most faults in one schedule, default 3; one scenario only
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/service_quotas.h"
#include "tests/plugins/aws/device/model/world.h"

/* A failed run is repeated, as a user would do. */
enum { RUNS_MAX = 12 };

static const char *const faults[] = {[FAULT_NONE] = ".",
    [FAULT_CRASH_BEFORE] = "crash before",
    [FAULT_CRASH_AFTER] = "crash after",
    [FAULT_NOT_DONE] = "not done",
    [FAULT_LOST_REPLY] = "lost reply",
    [FAULT_THROTTLE] = "throttled",
    [FAULT_STOPPED] = "stopped",
    [FAULT_ABANDONED] = "abandoned"};

struct scenario {
    const char *name;
    enum issuer issuer;
    bool register_thing, adopt, crashes, others;
    bool drift;    /* somebody changes the account between two deploys */
    bool slow;     /* AWS detaches late */
    bool lost;     /* the store is lost after the deploy, and the job deployed again */
    bool set_back; /* the store is set back to its state before a cleanup and a second deploy */
    bool finish;   /* deploy is repeated until it is done; else cleanup follows at once */
    int faults_max;
};

/* Repeat a run until it succeeds. Returns the flaw, or NULL. */
static const char *until_done(bool (*run)(void))
{
    for (int i = 0; i < RUNS_MAX; i++) {
        bool good = run();
        const char *flaw = world_flaw();

        if (flaw)
            return flaw;
        if (good)
            return NULL;
    }
    return "does not come to an end";
}

/* The same; if other runs take part, repeat it once more without them. */
static const char *until_done_at_last(const struct scenario *scenario, bool (*run)(void))
{
    const char *flaw = until_done(run);

    if (!flaw && scenario->others) {
        world_be_alone(true);
        flaw = until_done(run);
        world_be_alone(false);
    }
    return flaw;
}

/* Repeat cleanups: none may succeed while something of the job is left. */
static const char *clean_honestly(void)
{
    for (int i = 0; i < RUNS_MAX; i++)
        if (world_cleanup() && world_clean_flaw())
            return "a cleanup succeeded, and something is left";
    return NULL;
}

/* Lose the store or set it back, try to use it, and clean up without it. */
static const char *disown(const struct scenario *scenario)
{
    const char *flaw = NULL;

    if (scenario->set_back) {
        world_back_up();
        flaw = until_done(world_cleanup);
        if (!flaw)
            flaw = until_done(world_deploy);
    }
    world_set_back();
    world_deploy();
    if (!flaw)
        flaw = clean_honestly();
    if (!flaw)
        flaw = until_done(world_recover);
    return flaw;
}

/* Run a scenario. Returns what is wrong, or NULL. */
static const char *play(const struct scenario *scenario)
{
    const char *flaw = NULL;

    if (scenario->slow)
        world_be_slow();

    if (scenario->finish) {
        flaw = until_done_at_last(scenario, world_deploy);
        if (!flaw)
            flaw = world_deployed_flaw();
    } else {
        world_deploy();
        flaw = world_flaw();
    }
    if (!flaw && scenario->drift) {
        world_drift((enum drift_by_hand)world_pick(BY_HAND_DRIFTS));
        flaw = until_done_at_last(scenario, world_deploy);
        if (!flaw)
            flaw = world_deployed_flaw();
    }
    if (!flaw && (scenario->lost || scenario->set_back))
        flaw = disown(scenario);
    if (!flaw)
        flaw = until_done_at_last(scenario, world_cleanup);
    return flaw ? flaw : world_clean_flaw();
}

/* The next schedule in order; false when there is none. */
static bool advance(struct schedule *schedule)
{
    size_t at = schedule->met;

    while (at > 0 && schedule->chosen[at - 1] + 1 >= schedule->choices[at - 1])
        at--;
    if (at == 0)
        return false;
    schedule->chosen[at - 1]++;
    schedule->length = at;
    return true;
}

static void print_schedule(const struct schedule *schedule)
{
    for (size_t i = 0; i < schedule->met; i++)
        if (schedule->chosen[i])
            fprintf(stderr, "    at point %zu: choice %d%s%s\n", i, schedule->chosen[i],
                schedule->chosen[i] < sizeof(faults) / sizeof(faults[0]) ? ", of a call: " : "",
                schedule->chosen[i] < sizeof(faults) / sizeof(faults[0])
                    ? faults[schedule->chosen[i]]
                    : "");
}

static long explore(const struct scenario *scenario)
{
    static struct schedule schedule;
    const struct device_options options = {.issuer = (int)scenario->issuer,
        .valid_years = 1,
        .register_thing = scenario->register_thing,
        .adopt = scenario->adopt};
    long count = 0;

    memset(&schedule, 0, sizeof(schedule));
    schedule.faults_max = scenario->faults_max;
    schedule.crashes = scenario->crashes;
    schedule.others = scenario->others;
    do {
        const char *flaw;

        world_reset(&schedule, &options);
        flaw = play(scenario);
        count++;
        if (flaw) {
            fprintf(stderr, "%s, schedule %ld: %s\n", scenario->name, count, flaw);
            print_schedule(&schedule);
            return -1;
        }
    } while (advance(&schedule));
    printf(
        "%-32s %9ld schedules of up to %d faults\n", scenario->name, count, scenario->faults_max);
    return count;
}

/* "csr*" selects all whose names begin so. */
static bool is_selected(const char *name, const char *wanted)
{
    size_t length = strcspn(wanted, "*");

    return wanted[length] == '*' ? strncmp(name, wanted, length) == 0 : strcmp(name, wanted) == 0;
}

/* `faults_max` limits what the command line asks for; 0: it does not. */
static const struct scenario scenarios[] = {
    {.name = "local", .issuer = ISSUER_LOCAL, .crashes = true, .finish = true},
    {.name = "local, broken off", .issuer = ISSUER_LOCAL, .crashes = true},
    {.name = "local, RegisterThing",
        .issuer = ISSUER_LOCAL,
        .register_thing = true,
        .crashes = true,
        .finish = true},
    {.name = "local, adopting",
        .issuer = ISSUER_LOCAL,
        .adopt = true,
        .crashes = true,
        .finish = true},
    {.name = "csr, adopting, broken off", .issuer = ISSUER_CSR, .adopt = true, .crashes = true},
    {.name = "csr", .issuer = ISSUER_CSR, .crashes = true, .finish = true},
    {.name = "csr, broken off", .issuer = ISSUER_CSR, .crashes = true},
    {.name = "aws", .issuer = ISSUER_AWS, .crashes = true, .finish = true},
    {.name = "aws, broken off", .issuer = ISSUER_AWS, .crashes = true},
    {.name = "aws, RegisterThing",
        .issuer = ISSUER_AWS,
        .register_thing = true,
        .crashes = true,
        .finish = true},
    {.name = "local, slow to detach",
        .issuer = ISSUER_LOCAL,
        .crashes = true,
        .slow = true,
        .finish = true},
    {.name = "local, drift",
        .issuer = ISSUER_LOCAL,
        .crashes = true,
        .drift = true,
        .finish = true,
        .faults_max = 2},
    {.name = "csr, drift",
        .issuer = ISSUER_CSR,
        .crashes = true,
        .drift = true,
        .finish = true,
        .faults_max = 2},
    {.name = "aws, drift",
        .issuer = ISSUER_AWS,
        .crashes = true,
        .drift = true,
        .finish = true,
        .faults_max = 2},
    {.name = "local, lost store",
        .issuer = ISSUER_LOCAL,
        .crashes = true,
        .lost = true,
        .finish = true,
        .faults_max = 2},
    {.name = "local, older store",
        .issuer = ISSUER_LOCAL,
        .crashes = true,
        .set_back = true,
        .finish = true,
        .faults_max = 2},
    {.name = "csr, lost store",
        .issuer = ISSUER_CSR,
        .crashes = true,
        .lost = true,
        .finish = true,
        .faults_max = 1},
    {.name = "csr, older store",
        .issuer = ISSUER_CSR,
        .crashes = true,
        .set_back = true,
        .finish = true,
        .faults_max = 1},
    {.name = "local, two runs", .issuer = ISSUER_LOCAL, .others = true, .finish = true},
    {.name = "csr, two runs", .issuer = ISSUER_CSR, .others = true, .finish = true},
    {.name = "aws, two runs", .issuer = ISSUER_AWS, .others = true, .finish = true},
};

int main(int count, char **arguments)
{
    int most = count > 1 ? atoi(arguments[1]) : 3;
    long total = 0;

    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        struct scenario scenario = scenarios[i];
        long explored = 0;

        if (scenario.faults_max == 0 || scenario.faults_max > most)
            scenario.faults_max = most;
        if (count < 3 || is_selected(scenario.name, arguments[2]))
            explored = explore(&scenario);
        if (explored < 0)
            return 1;
        total += explored;
    }
    world_clear();
    printf("%ld schedules\n", total);
    return total > 0 ? 0 : 1;
}
