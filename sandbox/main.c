/* SPDX-License-Identifier: Apache-2.0 */
/* iotify-sandbox: AWS IoT on this machine, until it is stopped or its command ends. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/api.h"
#include "sandbox/broker.h"
#include "sandbox/environment.h"
#include "sandbox/listener.h"
#include "sandbox/options.h"
#include "sandbox/request.h"

/* Keys that can be requested in a burst without waiting for their generation. */
#define POOL_SIZE 64
#define SWEEP_MS 100
#define LOCK_TRIES 40

struct sandbox {
    struct sandbox_options options;
    struct api_options api_options;
    char folder[4096], temporary[32], database[4200];
    char access_key[160], secret_key[160];
    bool own_keys; /* generated, not from the environment */
    struct state *state;
    struct key_pool *pool;
    struct ca *ca;
    struct authorization *authorization;
    struct counts *counts;
    struct broker broker;
    struct publisher *publisher;
    struct https *https;
    struct session_world world;
    struct api *api;
    struct listeners *listeners;
    uv_loop_t loop;
    uv_timer_t sweeper;     /* carries out detachments, checks the broker */
    uv_signal_t signals[3]; /* SIGINT, SIGTERM, SIGHUP */
    int lock;               /* descriptor that locks the folder; 0: none */
    uv_process_t process;
    bool running; /* the command */
    int status;
};

/* ------------------------------------------------------------------ keys and folder */

/* Takes the key pair from the environment, or generates one. */
static bool sandbox_find_keys(struct sandbox *sandbox)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const char *access_key = getenv("AWS_ACCESS_KEY_ID");
    const char *secret_key = getenv("AWS_SECRET_ACCESS_KEY");
    unsigned char bytes[56];

    if (access_key && *access_key && secret_key && *secret_key &&
        strlen(access_key) < sizeof(sandbox->access_key) &&
        strlen(secret_key) < sizeof(sandbox->secret_key)) {
        memcpy(sandbox->access_key, access_key, strlen(access_key) + 1);
        memcpy(sandbox->secret_key, secret_key, strlen(secret_key) + 1);
        return true;
    }
    if (access_key && *access_key && secret_key && *secret_key) {
        fprintf(stderr, "iotify-sandbox: the key pair of the environment is too long\n");
        return false;
    }
    sandbox->own_keys = true;
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    memcpy(sandbox->access_key, "AKIA", 4);
    for (size_t i = 0; i < 16; i++)
        sandbox->access_key[4 + i] = letters[bytes[i] % 32];
    for (size_t i = 0; i < 40; i++)
        sandbox->secret_key[i] = letters[bytes[16 + i] % 32];
    return true;
}

/* The broker of a killed sandbox holds the lock until it has saved its messages: wait for it. */
static bool sandbox_take_lock(struct sandbox *sandbox)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    const char *given = sandbox->options.folder;

    sandbox->lock = open(sandbox->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sandbox->lock < 0) {
        fprintf(stderr, "iotify-sandbox: cannot use the folder %s: %s\n", given, strerror(errno));
        return false;
    }
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(sandbox->lock, LOCK_EX | LOCK_NB) == 0)
            return true;
        nanosleep(&pause, NULL);
    }
    fprintf(
        stderr, "iotify-sandbox: the folder %s is used by another sandbox; end it first\n", given);
    return false;
}

static bool sandbox_find_folder(struct sandbox *sandbox)
{
    const char *given = sandbox->options.folder;

    if (!given) {
        memcpy(sandbox->temporary, "/tmp/iotify-sandbox-XXXXXX", 27);
        if (!mkdtemp(sandbox->temporary)) {
            fprintf(stderr, "iotify-sandbox: cannot make a folder in /tmp: %s\n", strerror(errno));
            sandbox->temporary[0] = '\0';
            return false;
        }
        snprintf(sandbox->folder, sizeof(sandbox->folder), "%s", sandbox->temporary);
        return true;
    }
    if ((mkdir(given, 0700) != 0 && errno != EEXIST) || !realpath(given, sandbox->folder)) {
        fprintf(stderr, "iotify-sandbox: cannot use the folder %s: %s\n", given, strerror(errno));
        return false;
    }
    if (!sandbox_take_lock(sandbox))
        return false;
    snprintf(sandbox->database, sizeof(sandbox->database), "%s/state.db", sandbox->folder);
    if (sandbox->options.reset) {
        broker_forget(sandbox->folder);
        if (!state_remove(sandbox->database))
            return false;
    }
    if (sandbox->options.ephemeral)
        sandbox->database[0] = '\0';
    return true;
}

static void sandbox_remove_temporary(const struct sandbox *sandbox)
{
    static const char *const files[] = {"ca.pem", "ca.key", "broker.conf", "broker.log"};
    char path[4200];

    if (!*sandbox->temporary)
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", sandbox->temporary, files[i]);
        unlink(path);
    }
    rmdir(sandbox->temporary);
}

/* Each session needs two descriptors here and one in the broker. */
static void sandbox_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* ------------------------------------------------------------------ opening and closing */

static void sandbox_on_authorization_changed(void *argument)
{
    struct sandbox *sandbox = argument;

    if (sandbox->listeners)
        listener_wake(sandbox->listeners);
}

static double sandbox_quota_of(void *argument, const char *operation)
{
    return quotas_rate(((struct sandbox *)argument)->options.quotas, operation);
}

static bool sandbox_publish(
    void *argument, const char *topic, const char *payload, size_t size, int qos, bool retain)
{
    return publisher_publish(
        ((struct sandbox *)argument)->publisher, topic, payload, size, qos, retain);
}

static size_t sandbox_count_sessions(void *argument)
{
    return listener_sessions(((struct sandbox *)argument)->listeners);
}

static bool sandbox_open_data_plane(struct sandbox *sandbox)
{
    const struct listener_options options = {.address = sandbox->options.address,
        .mqtt_port = (uint16_t)sandbox->options.mqtt_port,
        .https_port = (uint16_t)sandbox->options.https_port,
        .broker = sandbox->broker.socket};

    sandbox->publisher = publisher_open(sandbox->broker.socket);
    sandbox->https =
        sandbox->publisher ? https_open(sandbox->authorization, sandbox->publisher) : NULL;
    if (!sandbox->https)
        return false;
    sandbox->world = (struct session_world){
        sandbox->authorization, sandbox->options.quotas, sandbox->options.faults};
    sandbox->listeners =
        listener_open(&sandbox->loop, &options, &sandbox->world, sandbox->ca, sandbox->https);
    return sandbox->listeners != NULL;
}

static bool sandbox_open_control_plane(struct sandbox *sandbox)
{
    const struct sandbox_options *options = &sandbox->options;

    sandbox->api_options = (struct api_options){.address = options->address,
        .port = (uint16_t)options->api_port,
        .access_key = sandbox->access_key,
        .secret_key = sandbox->secret_key,
        .token = sandbox->own_keys ? NULL : getenv("AWS_SESSION_TOKEN"),
        .service = {.mqtt_port = listener_mqtt_port(sandbox->listeners),
            .https_port = listener_https_port(sandbox->listeners),
            .deprecation_wait_ms = options->deprecation_wait_ms,
            .detach_wait_ms = options->detach_wait_ms,
            .quota = sandbox_quota_of,
            .publish = sandbox_publish,
            .argument = sandbox},
        .admin = {.counts = sandbox->counts,
            .faults = options->faults,
            .quotas = options->quotas,
            .pool = sandbox->pool,
            .sessions = sandbox_count_sessions,
            .argument = sandbox},
        .state = sandbox->state,
        .ca = sandbox->ca,
        .authorization = sandbox->authorization,
        .faults = options->faults,
        .quotas = options->quotas,
        .counts = sandbox->counts};
    sandbox->api = api_open(&sandbox->api_options);
    return sandbox->api != NULL;
}

static bool sandbox_open_all(struct sandbox *sandbox)
{
    struct broker_options broker_options;

    if (!sandbox_find_keys(sandbox) || !sandbox_find_folder(sandbox))
        return false;
    broker_options = (struct broker_options){
        sandbox->folder, *sandbox->database != '\0', sandbox->lock > 0 ? sandbox->lock : -1};
    sandbox->counts = counts_new();
    sandbox->pool = key_pool_open(NULL, POOL_SIZE);
    sandbox->state = state_open(*sandbox->database ? sandbox->database : NULL);
    sandbox->ca = sandbox->state ? ca_open(sandbox->folder) : NULL;
    if (!sandbox->ca || !broker_start(&sandbox->broker, &broker_options))
        return false;
    ca_set_pool(sandbox->ca, sandbox->pool);
    sandbox->authorization =
        authorization_new(sandbox->state, sandbox_on_authorization_changed, sandbox);
    return sandbox_open_data_plane(sandbox) && sandbox_open_control_plane(sandbox);
}

static void sandbox_close_all(struct sandbox *sandbox)
{
    api_close(sandbox->api);
    if (sandbox->listeners)
        listener_close(sandbox->listeners);
    uv_run(&sandbox->loop, UV_RUN_DEFAULT);
    https_close(sandbox->https);
    listener_free(sandbox->listeners);
    publisher_close(sandbox->publisher);
    broker_stop(&sandbox->broker);
    authorization_free(sandbox->authorization);
    ca_close(sandbox->ca);
    state_close(sandbox->state);
    key_pool_close(sandbox->pool);
    counts_free(sandbox->counts);
    sandbox_remove_temporary(sandbox);
}

/* ------------------------------------------------------------------ running */

static const int signal_numbers[] = {SIGINT, SIGTERM, SIGHUP};

#define SIGNALS (sizeof(signal_numbers) / sizeof(signal_numbers[0]))

static void sandbox_close_signals(struct sandbox *sandbox)
{
    if (!uv_is_closing((uv_handle_t *)&sandbox->sweeper))
        uv_close((uv_handle_t *)&sandbox->sweeper, NULL);
    for (size_t i = 0; i < SIGNALS; i++)
        if (!uv_is_closing((uv_handle_t *)&sandbox->signals[i]))
            uv_close((uv_handle_t *)&sandbox->signals[i], NULL);
    /* A second signal must not interrupt the cleanup of files and processes. */
    for (size_t i = 0; i < SIGNALS; i++)
        signal(signal_numbers[i], SIG_IGN);
    uv_stop(&sandbox->loop);
}

/* With a command: it gets SIGINT from the terminal itself, and its end ends the sandbox. */
static void sandbox_on_signal(uv_signal_t *handle, int number)
{
    struct sandbox *sandbox = handle->data;

    if (!sandbox->running)
        sandbox_close_signals(sandbox);
    else if (number != SIGINT)
        uv_process_kill(&sandbox->process, number);
}

static void sandbox_on_command_end(uv_process_t *process, int64_t status, int number)
{
    struct sandbox *sandbox = process->data;

    sandbox->running = false;
    /* A status that is set already reports the end of the broker. */
    if (sandbox->status == 0)
        sandbox->status = number ? 128 + number : (int)status;
    uv_close((uv_handle_t *)process, NULL);
    sandbox_close_signals(sandbox);
}

static bool sandbox_start_command(struct sandbox *sandbox)
{
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_INHERIT_FD, .data.fd = 0},
        {.flags = UV_INHERIT_FD, .data.fd = 1},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {.exit_cb = sandbox_on_command_end,
        .file = sandbox->options.command[0],
        .args = sandbox->options.command,
        .stdio_count = 3,
        .stdio = stdio};
    int code;

    environment_set(&(struct environment){.api_port = api_port(sandbox->api),
        .mqtt_port = listener_mqtt_port(sandbox->listeners),
        .https_port = listener_https_port(sandbox->listeners),
        .folder = sandbox->folder,
        .access_key = sandbox->access_key,
        .secret_key = sandbox->secret_key,
        .own_keys = sandbox->own_keys});
    sandbox->process.data = sandbox;
    code = uv_spawn(&sandbox->loop, &sandbox->process, &options);
    if (code != 0) {
        fprintf(stderr, "iotify-sandbox: cannot run %s: %s\n", options.file, uv_strerror(code));
        uv_close((uv_handle_t *)&sandbox->process, NULL);
        sandbox->status = 127;
        return false;
    }
    sandbox->running = true;
    return true;
}

static void sandbox_print_start(const struct sandbox *sandbox)
{
    int port = api_port(sandbox->api);

    printf("AWS IoT:  http://127.0.0.1:%d\n"
           "MQTT:     localhost:%d\n"
           "HTTPS:    https://localhost:%d/topics/…\n"
           "To use it:\n"
           "  export AWS_ENDPOINT_URL_IOT=http://127.0.0.1:%d "
           "AWS_ENDPOINT_URL_STS=http://127.0.0.1:%d \\\n"
           "    AWS_ENDPOINT_URL_SERVICE_QUOTAS=http://127.0.0.1:%d\n"
           "  export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=eu-central-1\n"
           "  export AWS_CA_BUNDLE=%s/ca.pem\n"
           "Ctrl-C ends it.\n",
        port, listener_mqtt_port(sandbox->listeners), listener_https_port(sandbox->listeners), port,
        port, port, sandbox->access_key, sandbox->own_keys ? sandbox->secret_key : "(yours)",
        sandbox->folder);
    fflush(stdout);
}

static void sandbox_on_sweep(uv_timer_t *timer)
{
    struct sandbox *sandbox = timer->data;

    state_sweep(sandbox->state);
    if (broker_runs(&sandbox->broker))
        return;
    /* The sandbox does not work without its broker: end. */
    sandbox->status = 1;
    if (sandbox->running)
        uv_process_kill(&sandbox->process, SIGTERM);
    else
        sandbox_close_signals(sandbox);
}

static void sandbox_run(struct sandbox *sandbox)
{
    uv_timer_init(&sandbox->loop, &sandbox->sweeper);
    sandbox->sweeper.data = sandbox;
    uv_timer_start(&sandbox->sweeper, sandbox_on_sweep, SWEEP_MS, SWEEP_MS);
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&sandbox->loop, &sandbox->signals[i]);
        sandbox->signals[i].data = sandbox;
        uv_signal_start(&sandbox->signals[i], sandbox_on_signal, signal_numbers[i]);
    }
    if (!sandbox->options.command)
        sandbox_print_start(sandbox);
    else if (!sandbox_start_command(sandbox))
        sandbox_close_signals(sandbox);
    uv_run(&sandbox->loop, UV_RUN_DEFAULT);
}

int main(int count, char **arguments)
{
    static struct sandbox sandbox;
    enum sandbox_options_outcome outcome =
        sandbox_options_parse(&sandbox.options, count, arguments);

    if (outcome == SANDBOX_OPTIONS_RUN) {
        signal(SIGPIPE, SIG_IGN);
        sandbox_raise_limit();
        uv_loop_init(&sandbox.loop);
        if (sandbox_open_all(&sandbox))
            sandbox_run(&sandbox);
        else
            sandbox.status = 1;
        sandbox_close_all(&sandbox);
        uv_loop_close(&sandbox.loop);
    }
    sandbox_options_clear(&sandbox.options);
    return outcome == SANDBOX_OPTIONS_BAD ? 2 : sandbox.status;
}
