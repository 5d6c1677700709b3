/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/glob.h"

#include <stdio.h>
#include <string.h>

#include "core/base/stop.h"
#include "core/cli/load.h"
#include "core/store/glob.h"
#include "core/store/store.h"

static void glob_command_print_key(void *argument, const char *key)
{
    (void)argument;
    printf("%s\n", key);
}

static enum iotify_result glob_command_get(
    struct store *store, struct call *call, const char *key, bool reveal)
{
    struct iotify_bytes value;
    const char *text;
    const char *stored = store_glob_key(call, key);
    enum iotify_result result =
        stored ? store_get(store, call, stored, &value) : IOTIFY_RESULT_INVALID;

    if (result == IOTIFY_RESULT_NOT_FOUND)
        return call_fail(&call->base, result, "NotFound", "the glob has no key \"%s\"", key);
    if (result != IOTIFY_RESULT_OK)
        return result;
    text = value.data;
    if (!reveal && strstr(text, "PRIVATE KEY-----"))
        return call_fail(&call->base, IOTIFY_RESULT_DENIED, "Sealed",
            "\"%s\" is a private key; add --reveal to see it", key);
    if (value.size && *text == GLOB_JSON_MARK) {
        text++;
        value.size--;
    }
    fwrite(text, 1, value.size, stdout);
    if (value.size == 0 || text[value.size - 1] != '\n')
        putchar('\n');
    return IOTIFY_RESULT_OK;
}

static enum iotify_result glob_command_set(struct store *store, struct call *call, const char *key)
{
    struct iotify_buffer value;
    struct iotify_write write = {.kind = IOTIFY_WRITE_PUT, .key = store_glob_key(call, key)};
    enum iotify_result result = IOTIFY_RESULT_INVALID;
    char chunk[8192];
    size_t got;

    iotify_buffer_init(&value, IOTIFY_VALUE_MAX);
    while ((got = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        iotify_buffer_append(&value, chunk, got);
    explicit_bzero(chunk, sizeof(chunk));
    if (ferror(stdin) || stop_requested()) {
        call_fail(
            &call->base, result, "NotRead", "the value could not be read; nothing is changed");
    } else if (value.failed) {
        call_fail(&call->base, result, "TooLarge", "the value is larger than %d MiB",
            IOTIFY_VALUE_MAX >> 20);
    } else if (write.key) {
        write.value = (struct iotify_bytes){iotify_buffer_text(&value), value.size};
        result = store_apply(store, call, &write, 1);
    }
    iotify_buffer_wipe(&value);
    return result;
}

static enum iotify_result glob_command_delete(
    struct store *store, struct call *call, const char *key)
{
    struct iotify_bytes value;
    struct iotify_write write = {.kind = IOTIFY_WRITE_DELETE, .key = store_glob_key(call, key)};
    enum iotify_result result =
        write.key ? store_get(store, call, write.key, &value) : IOTIFY_RESULT_INVALID;

    if (result == IOTIFY_RESULT_NOT_FOUND)
        return call_fail(&call->base, result, "NotFound", "the glob has no key \"%s\"", key);
    return result == IOTIFY_RESULT_OK ? store_apply(store, call, &write, 1) : result;
}

static int glob_command_run(const struct options *options, const struct job *job, const char *verb)
{
    const char *key = options->word_count > 2 ? options->words[2] : "";
    struct store *store = NULL;
    enum iotify_result result;
    struct call call;

    call_init(&call, "glob");
    result = store_open(&call, job->storage->plugin, job->storage->options, &store);
    if (result == IOTIFY_RESULT_OK)
        result = store_unseal(store, &call, &job->options->seal, strcmp(verb, "set") == 0);
    if (result == IOTIFY_RESULT_OK && strcmp(verb, "list") == 0)
        result = store_list_glob(store, &call, "", SIZE_MAX, glob_command_print_key, NULL);
    else if (result == IOTIFY_RESULT_OK && strcmp(verb, "get") == 0)
        result = glob_command_get(store, &call, key, options->reveal);
    else if (result == IOTIFY_RESULT_OK && strcmp(verb, "set") == 0)
        result = glob_command_set(store, &call, key);
    else if (result == IOTIFY_RESULT_OK)
        result = glob_command_delete(store, &call, key);
    store_close(store);
    if (result != IOTIFY_RESULT_OK)
        fprintf(stderr, "iotifyd: %s\n", call_message(&call, result));
    call_clear(&call);
    if (stop_requested())
        return 128 + stop_requested();
    return result == IOTIFY_RESULT_OK ? EXIT_DONE : EXIT_STEP_FAILED;
}

int command_glob(const struct options *options)
{
    static const char *const verbs[] = {"list", "get", "set", "delete"};
    struct diagnostics diagnostics = {0};
    struct registry registry;
    const char *verb = options->word_count > 0 ? options->words[0] : "";
    size_t needed = strcmp(verb, "list") == 0 ? 2 : 3;
    bool known = false;
    struct job job;
    int status;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        known = known || strcmp(verbs[i], verb) == 0;
    if (!known || options->word_count != needed || (needed == 3 && !*options->words[2])) {
        fprintf(stderr, "usage: iotifyd glob list|get|set|delete JOB.yaml [KEY]\n");
        return EXIT_USAGE;
    }
    status = load_job(options->words[1], options, &registry, &job, &diagnostics);
    if (status == EXIT_DONE)
        status = glob_command_run(options, &job, verb);
    job_clear(&job);
    registry_clear(&registry);
    diagnostics_clear(&diagnostics);
    return status;
}
