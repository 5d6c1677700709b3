/* SPDX-License-Identifier: Apache-2.0 */
/* The AWS IoT connector: its settings and its descriptor. */
#include <curl/curl.h>

#include "plugins/aws/device/device.h"
#include "plugins/aws/device/remove_device.h"
#include "plugins/aws/instance.h"
#include "plugins/aws/refused.h"
#include "plugins/aws/remove_shared_resources.h"
#include "plugins/aws/shared_policy.h"
#include "plugins/aws/shared_resources.h"
#include "plugins/aws/template.h"

static const struct iotify_setting items[] = {
    {.name = "region",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_ASK,
        .offset = offsetof(struct aws_options, region),
        .help = "AWS region; default: AWS_REGION, then the profile's"},
    {.name = "profile",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_ASK,
        .offset = offsetof(struct aws_options, profile),
        .help = "profile of the shared AWS files; default: the SDKs' usual chain"},
    {.name = "endpoint",
        .type = IOTIFY_TYPE_STRING,
        .offset = offsetof(struct aws_options, endpoint),
        .help =
            "URL of the control plane; default: AWS_ENDPOINT_URL_IOT, AWS_ENDPOINT_URL, else AWS"},
    {.name = "quotas",
        .type = IOTIFY_TYPE_MAP,
        .offset = offsetof(struct aws_options, quotas),
        .help = "calls per second by operation, \"*\" for all others; default: the account's own "
                "quotas where they can be read, else AWS's defaults at first"},
    {.name = "accounts",
        .type = IOTIFY_TYPE_LIST,
        .offset = offsetof(struct aws_options, accounts),
        .help = "accounts that the job may run in; default: any"},
    {.name = "regions",
        .type = IOTIFY_TYPE_LIST,
        .offset = offsetof(struct aws_options, regions),
        .help = "regions that the job may run in; default: any"},
    {.name = "signing_name",
        .type = IOTIFY_TYPE_STRING,
        .offset = offsetof(struct aws_options, signing_name),
        .value = "iot",
        .help = "service name in signatures"},
    {.name = "ca",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = offsetof(struct aws_options, ca),
        .help = "file of root certificates; default: AWS_CA_BUNDLE, else the system's"},
};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct aws_options);

static const char *aws_libraries(void)
{
    return curl_version();
}

static const struct iotify_connector operations = {
    IOTIFY_CONNECTOR_SIZES,
    .threads = IOTIFY_THREADS_PARALLEL,
    .open = aws_instance_open,
    .close = aws_instance_close,
    .connect = aws_instance_connect,
    .endpoint = aws_instance_endpoint,
    .rate = aws_instance_rate,
    .permit = aws_instance_permit,
    .grant = aws_instance_grant,
    .refused = aws_refused,
    .helpers = aws_helpers,
};

static const struct iotify_action *const actions[] = {
    &aws_thing_type_action,
    &aws_thing_group_action,
    &aws_policy_action,
    &aws_device_action,
    &aws_template_action,
    &aws_remove_device_action,
    &aws_remove_shared_action,
};

static const struct iotify_default_step default_steps[] = {
    {.pipeline = "deploy", .step = ".thing_type", .settings = "{}"},
    {.pipeline = "deploy", .step = ".thing_group", .settings = "{}"},
    {.pipeline = "deploy", .step = ".policy", .settings = "{}"},
    {.pipeline = "deploy", .step = ".device", .settings = "{}"},
    {.pipeline = "deploy", .step = ".template", .settings = "{}"},
    {.pipeline = "simulate", .step = "simulate", .settings = "{template: aws_iotify.yaml}"},
    {.pipeline = "cleanup", .step = ".remove_device", .settings = "{}"},
    {.pipeline = "cleanup", .step = ".remove_shared", .settings = "{}"},
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_CONNECTOR, .name = "aws-iot", .version = IOTIFY_VERSION,
    .summary = "provisions devices on AWS IoT Core, one certificate per device, and removes them",
    .settings = &settings, .operations = &operations, .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .action_size = sizeof(struct iotify_action), .default_steps = default_steps,
    .default_step_count = sizeof(default_steps) / sizeof(default_steps[0]),
    .default_step_size = sizeof(default_steps[0]), .libraries = aws_libraries);
