/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/job_text.h"

#include <string.h>

#include "core/base/digest.h"
#include "core/simulate/check.h"

#define TEXT_MAX (1 << 26)

void job_text_format(const struct job *job, struct iotify_buffer *text)
{
    const struct job_plugin **more = NULL;
    struct arena arena = {0};
    size_t count = 0, most = 0;

    for (size_t i = 0; i < job->pipeline_count; i++)
        most += job->pipelines[i].count;
    more = arena_array(&arena, most, sizeof(*more));
    for (size_t i = 0; i < job->pipeline_count; i++)
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            count = check_add_transport(job, &job->pipelines[i].steps[j], &arena, more, count);
    iotify_buffer_init(text, TEXT_MAX);
    job_print(job, more, count, text);
    arena_clear(&arena);
}

const char *job_text_digest(const struct job *job, struct arena *arena)
{
    const char *folder = arena_format(arena, "%s/", job->directory), *at, *found, *digest;
    struct iotify_buffer text, rest;

    job_text_format(job, &text);
    iotify_buffer_init(&rest, TEXT_MAX);
    /* Paths in the job's folder count without it. */
    for (at = iotify_buffer_text(&text); (found = strstr(at, folder)); at = found + strlen(folder))
        iotify_buffer_append(&rest, at, (size_t)(found - at));
    iotify_buffer_string(&rest, at);
    digest = digest_text(arena, iotify_buffer_text(&rest), rest.size);
    iotify_buffer_clear(&rest);
    iotify_buffer_clear(&text);
    return digest;
}
