/* iotify-sandbox: AWS IoT on this machine, until stopped or around one command. */
#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/api.h"
#include "sandbox/broker.h"
#include "sandbox/front.h"

static const char help[] =
    "Usage: iotify-sandbox [OPTIONS] [-- COMMAND…]\n"
    "\n"
    "AWS IoT on this machine: the control plane, and MQTT with mutual TLS before a real broker.\n"
    "With a COMMAND: start, run it with everything set in its environment, and stop.\n"
    "\n"
    "  --dir DIR               keep state and root certificate there; default: nothing is kept\n"
    "  --api-port PORT         of the control plane (7070); 0 chooses one\n"
    "  --mqtt-port PORT        of the MQTT endpoint (8883); 0 chooses one\n"
    "  --deprecation-wait S    seconds from deprecating a thing type to deleting it (300)\n"
    "  --version, --help\n";

struct settings {
    const char *folder;
    long api_port, mqtt_port, deprecation_wait;
    char **command; /* NULL: none */
};

struct sandbox {
    struct settings settings;
    struct api_options options;
    char folder[4096], temporary[32], database[4200];
    char access_key[64], secret_key[96];
    struct state *state;
    struct authority *authority;
    struct broker broker;
    struct api *api;
    struct front *front;
    uv_loop_t loop;
    uv_signal_t interrupt, terminate;
    uv_process_t process;
    bool running; /* the command */
    int status;
};

/* ------------------------------------------------------------------ command line */

static bool number(const char *text, const char *option, long most, long *out)
{
    char *end;

    errno = 0;
    *out = text ? strtol(text, &end, 10) : -1;
    if (text && *text && !*end && errno == 0 && *out >= 0 && *out <= most)
        return true;
    fprintf(stderr, "iotify-sandbox: %s takes a number from 0 to %ld\n", option, most);
    return false;
}

/* 1: go on, 0: done, -1: bad usage */
static int parse(struct settings *settings, int count, char **arguments)
{
    *settings = (struct settings){.api_port = 7070, .mqtt_port = 8883, .deprecation_wait = 300};
    for (int i = 1; i < count; i++) {
        const char *option = arguments[i];
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;

        if (strcmp(option, "--") == 0) {
            settings->command = arguments + i + 1;
            return *settings->command ? 1 : -1;
        }
        if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if (strcmp(option, "--version") == 0) {
            printf("iotify-sandbox %s\n", IOTIFY_VERSION);
            return 0;
        }
        i++;
        if (strcmp(option, "--dir") == 0 && value)
            settings->folder = value;
        else if (strcmp(option, "--api-port") == 0) {
            if (!number(value, option, 65535, &settings->api_port))
                return -1;
        } else if (strcmp(option, "--mqtt-port") == 0) {
            if (!number(value, option, 65535, &settings->mqtt_port))
                return -1;
        } else if (strcmp(option, "--deprecation-wait") == 0) {
            if (!number(value, option, 86400, &settings->deprecation_wait))
                return -1;
        } else {
            fprintf(stderr, "iotify-sandbox: unknown option %s; see --help\n", option);
            return -1;
        }
    }
    return 1;
}

/* ------------------------------------------------------------------ what it needs */

/* The key pair of the environment, else a new one. */
static bool find_keys(struct sandbox *sandbox)
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
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    memcpy(sandbox->access_key, "AKIA", 4);
    for (size_t i = 0; i < 16; i++)
        sandbox->access_key[4 + i] = letters[bytes[i] % 32];
    for (size_t i = 0; i < 40; i++)
        sandbox->secret_key[i] = letters[bytes[16 + i] % 32];
    return true;
}

static bool find_folder(struct sandbox *sandbox)
{
    if (!sandbox->settings.folder) {
        memcpy(sandbox->temporary, "/tmp/iotify-sandbox-XXXXXX", 27);
        if (!mkdtemp(sandbox->temporary)) {
            fprintf(stderr, "iotify-sandbox: cannot make a folder in /tmp: %s\n", strerror(errno));
            sandbox->temporary[0] = '\0';
            return false;
        }
        snprintf(sandbox->folder, sizeof(sandbox->folder), "%s", sandbox->temporary);
        return true;
    }
    if ((mkdir(sandbox->settings.folder, 0700) != 0 && errno != EEXIST) ||
        !realpath(sandbox->settings.folder, sandbox->folder)) {
        fprintf(stderr, "iotify-sandbox: cannot use the folder %s: %s\n", sandbox->settings.folder,
            strerror(errno));
        return false;
    }
    snprintf(sandbox->database, sizeof(sandbox->database), "%s/state.db", sandbox->folder);
    return true;
}

static void remove_temporary(const struct sandbox *sandbox)
{
    static const char *const files[] = {
        "ca.pem", "ca.key", "broker.conf", "broker.sock", "broker.log"};
    char path[4200];

    if (!*sandbox->temporary)
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", sandbox->temporary, files[i]);
        unlink(path);
    }
    rmdir(sandbox->temporary);
}

static bool open_all(struct sandbox *sandbox)
{
    if (!find_folder(sandbox) || !find_keys(sandbox))
        return false;
    sandbox->state = state_open(*sandbox->database ? sandbox->database : NULL);
    sandbox->authority = sandbox->state ? authority_open(sandbox->folder) : NULL;
    if (!sandbox->authority || !broker_start(&sandbox->broker, sandbox->folder))
        return false;
    sandbox->front = front_open(&sandbox->loop, (uint16_t)sandbox->settings.mqtt_port,
        sandbox->state, sandbox->authority, sandbox->broker.socket);
    if (!sandbox->front)
        return false;
    sandbox->options = (struct api_options){.port = (uint16_t)sandbox->settings.api_port,
        .mqtt_port = front_port(sandbox->front),
        .access_key = sandbox->access_key,
        .secret_key = sandbox->secret_key,
        .deprecation_wait = sandbox->settings.deprecation_wait};
    sandbox->api = api_open(&sandbox->options, sandbox->state, sandbox->authority);
    return sandbox->api != NULL;
}

static void close_all(struct sandbox *sandbox)
{
    api_close(sandbox->api);
    if (sandbox->front)
        front_close(sandbox->front);
    uv_run(&sandbox->loop, UV_RUN_DEFAULT);
    front_free(sandbox->front);
    broker_stop(&sandbox->broker);
    authority_close(sandbox->authority);
    state_close(sandbox->state);
    remove_temporary(sandbox);
}

/* ------------------------------------------------------------------ running */

static void close_signals(struct sandbox *sandbox)
{
    if (!uv_is_closing((uv_handle_t *)&sandbox->interrupt))
        uv_close((uv_handle_t *)&sandbox->interrupt, NULL);
    if (!uv_is_closing((uv_handle_t *)&sandbox->terminate))
        uv_close((uv_handle_t *)&sandbox->terminate, NULL);
    uv_stop(&sandbox->loop);
}

/* A command gets the signals too: it decides when it ends. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct sandbox *sandbox = handle->data;

    if (!sandbox->running) {
        close_signals(sandbox);
    } else if (number == SIGTERM) {
        uv_process_kill(&sandbox->process, SIGTERM);
    }
}

static void on_command_end(uv_process_t *process, int64_t status, int number)
{
    struct sandbox *sandbox = process->data;

    sandbox->running = false;
    sandbox->status = number ? 128 + number : (int)status;
    uv_close((uv_handle_t *)process, NULL);
    close_signals(sandbox);
}

static void set_environment(const struct sandbox *sandbox)
{
    char url[64], bundle[4200];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d", api_port(sandbox->api));
    snprintf(bundle, sizeof(bundle), "%s/ca.pem", sandbox->folder);
    setenv("AWS_ENDPOINT_URL_IOT", url, 1);
    setenv("AWS_ENDPOINT_URL_STS", url, 1);
    setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", url, 1);
    setenv("AWS_ACCESS_KEY_ID", sandbox->access_key, 1);
    setenv("AWS_SECRET_ACCESS_KEY", sandbox->secret_key, 1);
    unsetenv("AWS_SESSION_TOKEN");
    setenv("AWS_REGION", "eu-central-1", 0);
    setenv("AWS_DEFAULT_REGION", "eu-central-1", 0);
    setenv("AWS_CA_BUNDLE", bundle, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 0);
}

static bool start_command(struct sandbox *sandbox)
{
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_INHERIT_FD, .data.fd = 0},
        {.flags = UV_INHERIT_FD, .data.fd = 1},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {.exit_cb = on_command_end,
        .file = sandbox->settings.command[0],
        .args = sandbox->settings.command,
        .stdio_count = 3,
        .stdio = stdio};
    int code;

    set_environment(sandbox);
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

static void tell(const struct sandbox *sandbox)
{
    printf("AWS IoT:  http://127.0.0.1:%d\n"
           "MQTT:     localhost:%d\n"
           "To use it:\n"
           "  export AWS_ENDPOINT_URL_IOT=http://127.0.0.1:%d "
           "AWS_ENDPOINT_URL_STS=http://127.0.0.1:%d\n"
           "  export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=eu-central-1\n"
           "  export AWS_CA_BUNDLE=%s/ca.pem\n"
           "Ctrl-C ends it.\n",
        api_port(sandbox->api), front_port(sandbox->front), api_port(sandbox->api),
        api_port(sandbox->api), sandbox->access_key,
        getenv("AWS_SECRET_ACCESS_KEY") ? "(yours)" : sandbox->secret_key, sandbox->folder);
    fflush(stdout);
}

static void run(struct sandbox *sandbox)
{
    uv_signal_init(&sandbox->loop, &sandbox->interrupt);
    uv_signal_init(&sandbox->loop, &sandbox->terminate);
    sandbox->interrupt.data = sandbox->terminate.data = sandbox;
    uv_signal_start(&sandbox->interrupt, on_signal, SIGINT);
    uv_signal_start(&sandbox->terminate, on_signal, SIGTERM);
    if (sandbox->settings.command && !start_command(sandbox)) {
        close_signals(sandbox);
        return;
    }
    if (!sandbox->settings.command)
        tell(sandbox);
    uv_run(&sandbox->loop, UV_RUN_DEFAULT);
}

int main(int count, char **arguments)
{
    static struct sandbox sandbox;
    int usage = parse(&sandbox.settings, count, arguments);

    if (usage <= 0) {
        if (usage < 0)
            fprintf(stderr, "usage: iotify-sandbox [OPTIONS] [-- COMMAND…]\n");
        return usage < 0 ? 2 : 0;
    }
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&sandbox.loop);
    if (open_all(&sandbox))
        run(&sandbox);
    else
        sandbox.status = 1;
    close_all(&sandbox);
    uv_loop_close(&sandbox.loop);
    return sandbox.status;
}
