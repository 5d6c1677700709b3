/* SPDX-License-Identifier: Apache-2.0 */
/* A template file: read, checked, and compiled, as --check does it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/simulate/settings.h"
#include "core/template/template.h"
#include "tests/fuzz/fuzz.h"

static const struct core_step steps[] = {{"simulate", "run a template", &simulate_settings}};

static char folder[] = "/tmp/iotify-fuzz-XXXXXX";
static char path[64];

static void write_file(const char *name, const void *data, size_t size)
{
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static void remove_folder(void)
{
    snprintf(path, sizeof(path), "rm -r %s", folder);
    if (system(path) != 0)
        fprintf(stderr, "%s failed\n", path);
}

/* A job without a connector, which the templates belong to. */
static const struct job *the_job(void)
{
    static const char text[] = "devices: 1\nplugins: {glob: {use: memory}}\n"
                               "pipelines: {simulate: [simulate: {template: t.yaml}]}\n";
    static struct registry registry;
    static struct job job;
    static char file[64];
    struct diagnostics diagnostics = {0};

    if (job.file)
        return &job;
    setenv("JSC_usePollingTraps", "true", 1);
    if (!mkdtemp(folder))
        abort();
    atexit(remove_folder);
    write_file("job.yaml", text, strlen(text));
    snprintf(file, sizeof(file), "%s", path);
    registry_init(&registry);
    if (!job_load(&job, &registry,
            &(struct job_request){.file = file, .core_steps = steps, .core_step_count = 1},
            &diagnostics))
        abort();
    diagnostics_clear(&diagnostics);
    return &job;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct job *job = the_job();
    struct diagnostics diagnostics = {0};
    struct template_file template;
    bool good;

    write_file("t.yaml", data, size);
    good = template_load(&template, job, path, "t.yaml", NULL, &diagnostics);
    /* Either it is valid, or diagnostics have a location in some file. */
    if (good != (diagnostics.count == 0))
        abort();
    for (size_t i = 0; i < diagnostics.count; i++)
        if (!diagnostics.items[i].location.file || !*diagnostics.items[i].text)
            abort();
    template_clear(&template);
    diagnostics_clear(&diagnostics);
    return 0;
}
