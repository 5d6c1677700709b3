/* SPDX-License-Identifier: Apache-2.0 */
/* Print the effective job as YAML. */
#include "core/job/job.h"

static void job_print_step(const struct step *step, struct iotify_buffer *out)
{
    struct iotify_buffer settings;

    iotify_buffer_init(&settings, 1 << 24);
    schema_print(step->settings, step->options, 8, &settings);
    iotify_buffer_format(out, "    - %s:%s\n", step->name, settings.size ? "" : " {}");
    iotify_buffer_string(out, iotify_buffer_text(&settings));
    iotify_buffer_clear(&settings);
}

static void job_print_plugin(const struct job_plugin *entry, struct iotify_buffer *out)
{
    iotify_buffer_format(out, "  %s:\n    use: %s\n", entry->alias, entry->plugin->name);
    schema_print(entry->plugin->descriptor.settings, entry->options, 4, out);
}

void job_print(const struct job *job, const struct job_plugin *const *more, size_t more_count,
    struct iotify_buffer *out)
{
    schema_print(&job_settings, job->options, 0, out);
    iotify_buffer_string(out, "plugins:\n");
    for (size_t i = 0; i < job->plugin_count; i++)
        job_print_plugin(&job->plugins[i], out);
    for (size_t i = 0; i < more_count; i++)
        job_print_plugin(more[i], out);
    iotify_buffer_string(out, "pipelines:\n");
    for (size_t i = 0; i < job->pipeline_count; i++) {
        iotify_buffer_string(out, "  ");
        schema_print_text(job->pipelines[i].name, out);
        iotify_buffer_string(out, job->pipelines[i].count ? ":\n" : ": []\n");
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            job_print_step(&job->pipelines[i].steps[j], out);
    }
    iotify_buffer_string(out, "run: [");
    for (size_t i = 0; i < job->run_count; i++) {
        iotify_buffer_string(out, i ? ", " : "");
        schema_print_text(job->run[i]->name, out);
    }
    iotify_buffer_string(out, "]\n");
}
