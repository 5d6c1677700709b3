/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/suggest.h"
#include "core/base/value.h"

static bool select_pipelines(
    const struct job *job, const struct options *options, struct selection *selection)
{
    /* --solo and --preview without a pipeline use only `simulate`. */
    static const char *const simulate[] = {"", "simulate"};
    bool looks = options->word_count == 1 && (options->solo || options->preview);
    const char *const *words = looks ? simulate : options->words;
    bool named = looks || options->word_count > 1;
    size_t count = looks ? 1 : named ? options->word_count - 1 : job->run_count;

    selection->pipelines = memory_new(count, sizeof(struct pipeline *));
    selection->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pipeline *pipeline = named ? job_pipeline(job, words[i + 1]) : job->run[i];
        struct suggest suggest;

        if (!pipeline) {
            suggest_init(&suggest, words[i + 1]);
            for (size_t j = 0; j < job->pipeline_count; j++)
                suggest_offer(&suggest, job->pipelines[j].name);
            fprintf(stderr, "iotifyd: the job has no pipeline \"%s\"%s\n", words[i + 1],
                suggest_hint(&suggest, ""));
            return false;
        }
        if (options->keep && strcmp(pipeline->name, "cleanup") == 0)
            continue;
        selection->pipelines[selection->count++] = pipeline;
    }
    return true;
}

/* The client of --solo, which --preview uses, too. False after a message. */
static bool select_solo(
    const struct job *job, const struct options *options, struct selection *selection)
{
    int64_t first = job->options->first, end = first + job->options->count;

    selection->solo = -1;
    if (!options->solo)
        return true;
    if (value_parse_integer(options->solo, &selection->solo) && selection->solo >= first &&
        selection->solo < end)
        return true;
    fprintf(stderr, "iotifyd: --solo takes a client of the job, %lld to %lld, not %s\n",
        (long long)first, (long long)end - 1, options->solo);
    return false;
}

bool select_make(const struct job *job, const struct options *options, struct selection *selection)
{
    *selection = (struct selection){0};
    return select_pipelines(job, options, selection) && select_solo(job, options, selection);
}

void select_clear(struct selection *selection)
{
    free(selection->pipelines);
    *selection = (struct selection){0};
}
