/* SPDX-License-Identifier: Apache-2.0 */
/* A connector that breaks the rule of the contract which its setting `does` names. */
#include <stdlib.h>
#include <string.h>

#include <iotify/connector.h>

#include "ends.h"

static const char *const names[] = {"nothing", "open-null", "open-zero", "open-unknown",
    "open-unchanged", "open-later", "connect-zero", "connect-unknown", "connect-later",
    "connect-realm-empty", "connect-realm-long", "connect-realm-control", "prepare-zero",
    "prepare-unknown", "prepare-later", "begin-zero", "begin-unknown", "begin-later", "apply-zero",
    "apply-unknown", "apply-later", "conclude-zero", "conclude-unknown", "conclude-later",
    "plan-zero", "plan-unknown", "plan-later", "endpoint-zero", "endpoint-unknown",
    "endpoint-nothing", "endpoint-no-port", NULL};

struct options {
    int does;
};

static const struct iotify_setting items[] = {{.name = "does",
    .type = IOTIFY_TYPE_CHOICE,
    .offset = offsetof(struct options, does),
    .value = "nothing",
    IOTIFY_CHOICES(names),
    .help = "what is wrong"}};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct options);

/* "apply-zero" of `apply` is 0; else what is given. */
static enum iotify_result wrong_answer(
    const char *does, const char *operation, enum iotify_result otherwise)
{
    size_t length = strlen(operation);

    if (strncmp(does, operation, length) != 0 || does[length] != '-')
        return otherwise;
    does += length + 1;
    return strcmp(does, "zero") == 0        ? (enum iotify_result)0
           : strcmp(does, "unknown") == 0   ? (enum iotify_result)99
           : strcmp(does, "later") == 0     ? IOTIFY_RESULT_LATER
           : strcmp(does, "unchanged") == 0 ? IOTIFY_RESULT_UNCHANGED
                                            : otherwise;
}

static enum iotify_result wrong_open(struct iotify_call *call, const void *given, void **instance)
{
    const struct options *options = given;
    const char **does = malloc(sizeof(*does));

    ends("open");
    (void)call;
    if (!does)
        return IOTIFY_RESULT_FULL;
    *does = names[options->does];
    if (strcmp(*does, "open-null") == 0) {
        free(does);
        return IOTIFY_RESULT_OK;
    }
    *instance = does;
    if (wrong_answer(*does, "open", IOTIFY_RESULT_OK) == IOTIFY_RESULT_OK)
        return IOTIFY_RESULT_OK;
    /* The host closes nothing that was not opened. */
    *instance = NULL;
    free(does);
    return wrong_answer(names[options->does], "open", IOTIFY_RESULT_OK);
}

static void wrong_close(void *instance)
{
    ends("close");
    free(instance);
}

static const char *wrong_does(void *instance)
{
    return *(const char **)instance;
}

static enum iotify_result wrong_connect(
    void *instance, struct iotify_call *call, const char **realm)
{
    static char text[200];
    const char *does = wrong_does(instance);

    ends("connect");
    (void)call;
    memset(text, 'x', sizeof(text) - 1);
    *realm = strcmp(does, "connect-realm-empty") == 0     ? ""
             : strcmp(does, "connect-realm-long") == 0    ? text
             : strcmp(does, "connect-realm-control") == 0 ? "a\033[31m"
                                                          : "realm";
    return wrong_answer(does, "connect", IOTIFY_RESULT_OK);
}

static enum iotify_result wrong_endpoint(
    void *instance, struct iotify_call *call, const char *protocol, struct iotify_endpoint *out)
{
    const char *does = wrong_does(instance);

    ends("endpoint");
    (void)call, (void)protocol;
    if (strcmp(does, "endpoint-nothing") != 0)
        *out = (struct iotify_endpoint){.struct_size = sizeof(*out),
            .host = "127.0.0.1",
            .port = strcmp(does, "endpoint-no-port") == 0 ? 0 : 1};
    return wrong_answer(does, "endpoint", IOTIFY_RESULT_OK);
}

static enum iotify_result wrong_prepare(void *instance, struct iotify_call *call)
{
    ends("prepare");
    (void)call;
    return wrong_answer(wrong_does(instance), "prepare", IOTIFY_RESULT_OK);
}

static enum iotify_result wrong_begin(void *instance, struct iotify_call *call)
{
    ends("begin");
    (void)call;
    return wrong_answer(wrong_does(instance), "begin", IOTIFY_RESULT_OK);
}

static enum iotify_result wrong_apply(void *instance, struct iotify_call *call)
{
    ends("apply");
    (void)call;
    return wrong_answer(wrong_does(instance), "apply", IOTIFY_RESULT_OK);
}

static enum iotify_result wrong_conclude(void *instance, struct iotify_call *call)
{
    ends("conclude");
    (void)call;
    return wrong_answer(wrong_does(instance), "conclude", IOTIFY_RESULT_OK);
}

static enum iotify_result wrong_plan(void *instance, struct iotify_call *call)
{
    ends("plan");
    (void)call;
    return wrong_answer(wrong_does(instance), "plan", IOTIFY_RESULT_OK);
}

static const struct iotify_action item = {
    .name = "item",
    .summary = "does nothing",
    .scope = IOTIFY_SCOPE_DEVICE,
    .settings = IOTIFY_NO_SETTINGS,
    .prepare = wrong_prepare,
    .apply = wrong_apply,
    .begin = wrong_begin,
    .conclude = wrong_conclude,
    .plan = wrong_plan,
};
static const struct iotify_action *const actions[] = {&item};

static const struct iotify_connector operations = {
    IOTIFY_CONNECTOR_SIZES,
    .threads = IOTIFY_THREADS_PARALLEL,
    .open = wrong_open,
    .close = wrong_close,
    .connect = wrong_connect,
    .endpoint = wrong_endpoint,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_CONNECTOR, .name = "wrong-connector", .version = "1",
    .summary = "breaks a rule of the contract", .settings = &settings, .operations = &operations,
    .actions = actions, .action_count = 1, .action_size = sizeof(struct iotify_action));
