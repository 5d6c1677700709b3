/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/iam_policy.h"

#include <stdio.h>

#include "core/base/activity.h"
#include "core/cli/load.h"
#include "core/pipeline/planning.h"

static bool iam_policy_print_of(const struct job *job, const struct job_plugin *connector)
{
    struct forecast plan = {0};
    const char *document = NULL;
    struct activity before;
    enum iotify_result result;
    struct call call;

    if (connector->plugin->connector.permit) {
        call_init(&call, connector->alias);
        call.plan = &plan;
        before = activity_begin(connector->plugin->name, "permit");
        connector->plugin->connector.permit(connector->instance, &call.base);
        activity_end(before);
        call_clear(&call);
    }
    for (size_t i = 0; i < job->pipeline_count; i++)
        planning_permissions(job, &job->pipelines[i], connector, &plan);
    call_init(&call, connector->alias);
    before = activity_begin(connector->plugin->name, "grant");
    result = connector->plugin->connector.grant(
        connector->instance, &call.base, plan.permissions, plan.permission_count, &document);
    activity_end(before);
    result = call_checked(&call, connector->plugin->name, "grant", result);
    if (result == IOTIFY_RESULT_OK && !document)
        result = call_fault(&call, connector->plugin->name, "grant", "returned OK and no document");
    if (result == IOTIFY_RESULT_OK)
        printf("%s\n", document);
    else
        fprintf(stderr, "iotifyd: %s\n", call_message(&call, result));
    call_clear(&call);
    forecast_clear(&plan);
    return result == IOTIFY_RESULT_OK;
}

bool iam_policy_print(const struct job *job)
{
    bool good = true, any = false;

    for (size_t i = 0; i < job->plugin_count && good; i++) {
        const struct job_plugin *plugin = &job->plugins[i];

        if (plugin->plugin->descriptor.kind != IOTIFY_KIND_CONNECTOR ||
            !plugin->plugin->connector.grant)
            continue;
        any = true;
        good = iam_policy_print_of(job, plugin);
    }
    if (!any)
        fprintf(stderr, "iotifyd: the job has no connector that needs permissions\n");
    return good && any;
}

int command_iam_policy(const struct options *options)
{
    struct diagnostics diagnostics = {0};
    struct registry registry;
    struct job job;
    int status;

    if (options->word_count != 1) {
        fprintf(stderr, "usage: iotifyd iam-policy JOB.yaml\n");
        return EXIT_USAGE;
    }
    status = load_job(options->words[0], options, &registry, &job, &diagnostics);
    if (status == EXIT_DONE)
        status = iam_policy_print(&job) ? EXIT_DONE : EXIT_STEP_FAILED;
    job_clear(&job);
    registry_clear(&registry);
    diagnostics_clear(&diagnostics);
    return status;
}
