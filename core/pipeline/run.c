/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipeline/run.h"
#include "core/pipeline/host.h"

#include <string.h>

#include "core/base/activity.h"
#include "core/base/log.h"

static double run_plugin_rate(void *argument, const char *operation, bool *known)
{
    const struct job_plugin *plugin = argument;
    struct activity before;
    double rate;

    if (!plugin->plugin->connector.rate)
        return 0;
    before = activity_begin(plugin->plugin->name, "rate");
    rate = plugin->plugin->connector.rate(plugin->instance, operation, known);
    activity_end(before);
    return rate;
}

/* A store belongs to one job: records of another job must not be mistaken for its own. */
static bool run_check_owner(struct run *run, struct call *call)
{
    const char *name = run->job->options->name;
    struct iotify_bytes owner;
    enum iotify_result result = store_get(run->store, call, store_note_key(call, "job"), &owner);
    struct iotify_write write = {.kind = IOTIFY_WRITE_CREATE,
        .key = store_note_key(call, "job"),
        .value = {name, strlen(name)}};

    if (result == IOTIFY_RESULT_NOT_FOUND && run->planning)
        return true;
    if (result == IOTIFY_RESULT_NOT_FOUND) {
        result = store_apply(run->store, call, &write, 1);
        if (result == IOTIFY_RESULT_OK && write.result == IOTIFY_RESULT_OK)
            return true;
        /* Another run was faster: check that it is of this job. */
        if (result == IOTIFY_RESULT_OK)
            result = store_get(run->store, call, store_note_key(call, "job"), &owner);
    }
    if (result != IOTIFY_RESULT_OK)
        return false;
    if (strcmp(owner.data, name) == 0)
        return true;
    call_fail(&call->base, IOTIFY_RESULT_CONFLICT, "OtherJob",
        "the store belongs to the job \"%s\" and this one is \"%s\"; set name: %s, or another "
        "path: for the alias glob",
        (const char *)owner.data, name, (const char *)owner.data);
    return false;
}

/* Records under an alias that the job does not have would be ignored silently: report them. */
static bool run_check_aliases(struct run *run, struct call *call)
{
    const struct job *job = run->job;
    const char **aliases = arena_array(&call->arena, job->plugin_count, sizeof(*aliases));
    bool connects = false;
    const char *other;

    for (size_t i = 0; i < job->plugin_count; i++) {
        aliases[i] = job->plugins[i].alias;
        connects = connects || job->plugins[i].plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR;
    }
    /* A job without connectors does not use records. */
    if (!connects)
        return true;
    if (store_find_alias(run->store, call, aliases, job->plugin_count, &other) != IOTIFY_RESULT_OK)
        return false;
    if (!other)
        return true;
    call_fail(&call->base, IOTIFY_RESULT_CONFLICT, "OtherAlias",
        "the store holds devices of the plugin alias \"%s\", which the job does not have; name the "
        "connector so again, or run cleanup with a job that does",
        other);
    return false;
}

/* Does the store have an owner? One that was just created, or never, has none. */
static bool run_has_owner(struct run *run, struct call *call)
{
    struct iotify_bytes owner;

    return store_get(run->store, call, store_note_key(call, "job"), &owner) !=
           IOTIFY_RESULT_NOT_FOUND;
}

bool run_open(struct run *run, const struct job *job, struct summary *summary,
    enum run_access access, struct call *call)
{
    *run =
        (struct run){.job = job, .summary = summary, .planning = access == RUN_READS, .solo = -1};
    run->connections = arena_array(&run->arena, job->plugin_count, sizeof(*run->connections));
    for (size_t i = 0; i < job->plugin_count; i++) {
        run->connections[i].plugin = &job->plugins[i];
        if (job->plugins[i].plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR)
            run->connections[i].own_pacer = pacer_new(run_plugin_rate, &job->plugins[i]);
        run->connections[i].pacer = run->connections[i].own_pacer;
    }
    if (store_open(call, job->storage->plugin, job->storage->options, &run->store) !=
        IOTIFY_RESULT_OK)
        return false;
    if ((access == RUN_REMOVES || access == RUN_RECOVERS) && !run_has_owner(run, call))
        run->planning = true;
    if (access == RUN_REMOVES && run->planning)
        log_write(IOTIFY_LOG_INFO, job->options->name, "nothing to clean up: the store is new");
    /* A store without an owner is not sealed, and the secrets can be read only once. */
    if (access == RUN_RECOVERS && run->planning)
        return true;
    return run_check_owner(run, call) &&
           store_unseal(run->store, call, &job->options->seal, !run->planning) ==
               IOTIFY_RESULT_OK &&
           run_check_aliases(run, call);
}

bool run_begin_writes(struct run *run, struct call *call)
{
    if (!run->planning)
        return true;
    run->planning = false;
    return run_check_owner(run, call) &&
           store_unseal(run->store, call, &run->job->options->seal, true) == IOTIFY_RESULT_OK;
}

void run_close(struct run *run)
{
    script_free(run->script);
    glob_port_free(run->glob_port);
    glob_free(run->glob);
    lease_drop(run->lease);
    store_close(run->store);
    for (size_t i = 0; run->connections && i < run->job->plugin_count; i++)
        pacer_free(run->connections[i].own_pacer);
    arena_clear(&run->arena);
    *run = (struct run){0};
}

/*
 * The devices of a connector belong to one account and region (realm). The store records it, so
 * that a run with other credentials does not consider them lost or create them again.
 */
static enum iotify_result run_check_realm(
    struct run *run, const struct job_plugin *plugin, struct call *call, const char *realm)
{
    const char *key = store_note_key(call, arena_format(&call->arena, "realm/%s", plugin->alias));
    struct iotify_write write = {
        .kind = IOTIFY_WRITE_PUT, .key = key, .value = {realm, strlen(realm)}};
    struct iotify_bytes before = {0};
    enum iotify_result result = store_get(run->store, call, key, &before);
    int64_t *clients;
    size_t count = 0;

    if (result == IOTIFY_RESULT_OK && strcmp(before.data, realm) == 0)
        return IOTIFY_RESULT_OK;
    if (result == IOTIFY_RESULT_OK)
        result = store_list_records(run->store, call, plugin->alias, before.data, &clients, &count);
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    if (count)
        return call_fail(&call->base, IOTIFY_RESULT_CONFLICT, "OtherRealm",
            "the store holds %zu devices of account and region %s, and this run would use %s; "
            "run cleanup with the credentials, region and endpoints that deployed them",
            count, (const char *)before.data, realm);
    if (run->planning)
        return IOTIFY_RESULT_OK;
    return store_apply(run->store, call, &write, 1);
}

/* Rate limits are per account and region: connectors with the same realm share a pacer. */
static void run_share_pace(struct run *run, struct run_connection *connection)
{
    for (size_t i = 0; i < run->job->plugin_count; i++) {
        const struct run_connection *other = &run->connections[i];

        if (other != connection && other->realm && strcmp(other->realm, connection->realm) == 0 &&
            other->plugin->plugin == connection->plugin->plugin)
            connection->pacer = other->pacer;
    }
}

static bool run_realm_is_valid(const char *realm)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.";
    size_t length = strnlen(realm, 129);

    return length > 0 && length <= 128 && realm[strspn(realm, allowed)] == '\0';
}

enum iotify_result run_connect(struct run *run, const struct job_plugin *plugin, struct call *call)
{
    struct run_connection *connection = &run->connections[plugin - run->job->plugins];
    const char *realm = NULL;
    struct activity before;
    enum iotify_result result;

    if (connection->realm)
        return IOTIFY_RESULT_OK;
    before = activity_begin(plugin->plugin->name, "connect");
    result = plugin->plugin->connector.connect(plugin->instance, &call->base, &realm);
    activity_end(before);
    result = call_checked(call, plugin->plugin->name, "connect", result);
    if (result == IOTIFY_RESULT_OK && realm && !run_realm_is_valid(realm))
        result = call_fault(call, plugin->plugin->name, "connect",
            "gave a realm that is not 1 to 128 letters, digits and /-_.");
    if (result == IOTIFY_RESULT_OK)
        result = run_check_realm(run, plugin, call, realm ? realm : "-");
    if (result != IOTIFY_RESULT_OK)
        return result;
    connection->realm = arena_string(&run->arena, realm ? realm : "-");
    run_share_pace(run, connection);
    return IOTIFY_RESULT_OK;
}

enum iotify_result run_take_lease(struct run *run, struct call *call)
{
    return run->lease || run->planning ? IOTIFY_RESULT_OK
                                       : lease_take(run->store, call, &run->lease);
}

struct glob *run_glob(struct run *run)
{
    if (!run->glob)
        run->glob = glob_new(run->store, run->job->options->name, run->planning);
    if (!run->glob)
        log_write(IOTIFY_LOG_ERROR, run->job->options->name, "cannot start a thread for the glob");
    return run->glob;
}

struct script *run_script(struct run *run)
{
    struct script_services services = {.context = run, .console = host_console};
    struct script_facts facts = {.job = run->job->options->name,
        .clients = run->job->options->count,
        .time_limit = INT64_C(1000000000)};

    if (run->script || !run_glob(run))
        return run->script;
    run->glob_port = glob_port_new(run->glob, NULL, NULL);
    services.glob = run->glob_port;
    run->script = script_new(&services, &facts);
    if (!run->script)
        log_write(IOTIFY_LOG_ERROR, run->job->options->name, "the script engine cannot start");
    return run->script;
}
