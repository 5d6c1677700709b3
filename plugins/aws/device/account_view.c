/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/account_view.h"

#include <stdlib.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/listing.h"

void account_view_free(struct account_view *view)
{
    if (!view)
        return;
    json_decref(view->things);
    json_decref(view->own_things);
    json_decref(view->certificates);
    json_decref(view->members);
    json_decref(view->targets);
    free(view);
}

static void account_view_add_thing(void *argument, const char *name, const json_t *attributes)
{
    json_t *copy = json_deep_copy(attributes);

    json_object_set_new(argument, name, copy ? copy : json_object());
}

static void account_view_add_certificate(
    void *argument, const struct listing_certificate *certificate)
{
    json_object_set_new(argument, certificate->id, json_string(certificate->status));
}

static void account_view_add_name(void *argument, const char *name)
{
    json_object_set_new(argument, name, json_true());
}

static enum iotify_result account_view_find_oldest(
    void *argument, const struct iotify_record *record)
{
    int64_t *since = argument, created;
    json_t *json;

    record_read(record->value, &json);
    created = json_integer_value(json_object_get(json, "created"));
    *since = created < *since ? created : *since;
    json_decref(json);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result account_view_load_certificates(
    struct aws_instance *instance, struct iotify_call *call, json_t *list)
{
    int64_t since = INT64_MAX;
    enum iotify_result result = call->host->records(call, account_view_find_oldest, &since);

    if (result != IOTIFY_RESULT_OK || since == INT64_MAX)
        return result;
    return listing_certificates(instance, call, since, account_view_add_certificate, list);
}

static enum iotify_result account_view_load_part(struct aws_instance *instance,
    struct iotify_call *call, enum account_view_part part, const struct record *names, json_t *list)
{
    switch (part) {
    case VIEW_THINGS:
        return listing_things(instance, call, NULL, account_view_add_thing, list);
    case VIEW_OWN_THINGS:
        return listing_things(
            instance, call, call->host->job_name(call), account_view_add_thing, list);
    case VIEW_CERTIFICATES:
        return account_view_load_certificates(instance, call, list);
    case VIEW_MEMBERS:
        return names->group
                   ? listing_group(instance, call, names->group, account_view_add_name, list)
                   : IOTIFY_RESULT_OK;
    case VIEW_TARGETS:
        return names->policy
                   ? listing_targets(instance, call, names->policy, account_view_add_name, list)
                   : IOTIFY_RESULT_OK;
    }
    return IOTIFY_RESULT_OK;
}

enum iotify_result account_view_load(struct aws_instance *instance, struct iotify_call *call,
    unsigned parts, const struct record *names)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (!instance->view)
        instance->view = calloc(1, sizeof(*instance->view));
    if (!instance->view)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
    for (unsigned part = VIEW_THINGS; part <= VIEW_TARGETS && result == IOTIFY_RESULT_OK;
         part *= 2) {
        json_t **places[] = {[VIEW_THINGS] = &instance->view->things,
            [VIEW_OWN_THINGS] = &instance->view->own_things,
            [VIEW_CERTIFICATES] = &instance->view->certificates,
            [VIEW_MEMBERS] = &instance->view->members,
            [VIEW_TARGETS] = &instance->view->targets};
        json_t *list;

        if (!(parts & part) || *places[part])
            continue;
        list = json_object();
        result = account_view_load_part(instance, call, (enum account_view_part)part, names, list);
        if (result == IOTIFY_RESULT_NOT_FOUND)
            result = IOTIFY_RESULT_OK;
        if (result == IOTIFY_RESULT_OK)
            *places[part] = list;
        else
            json_decref(list);
    }
    return result;
}
