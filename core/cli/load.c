/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/load.h"

#include <stdio.h>

#include "core/simulate/simulate.h"

const struct core_step load_core_steps[] = {
    {.name = "simulate",
        .summary = "run a template on the job's clients",
        .settings = &simulate_settings},
};
const size_t load_core_step_count = sizeof(load_core_steps) / sizeof(load_core_steps[0]);

void load_read(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics)
{
    const struct job_request request = {.file = file,
        .overrides = options->overrides.items,
        .override_count = options->overrides.count,
        .core_steps = load_core_steps,
        .core_step_count = load_core_step_count};

    registry_init(registry);
    job_load(job, registry, &request, diagnostics);
}

int load_report(const struct job *job, struct diagnostics *diagnostics)
{
    diagnostics_print(diagnostics, stderr);
    if (diagnostics->count)
        return EXIT_USAGE;
    if (!job->registry->refused)
        return EXIT_DONE;
    fprintf(stderr, "iotifyd: %s\n", job->registry->refused);
    return EXIT_STEP_FAILED;
}

int load_job(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics)
{
    load_read(file, options, registry, job, diagnostics);
    return load_report(job, diagnostics);
}
