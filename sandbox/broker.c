/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES 500
#define STOP_TRIES 300
#define TRY_PAUSE_NS 10000000L
#define KEPT "broker.db"
#define CONFIGURATION "broker.conf"

extern char **environ;

static void broker_pause_shortly(void)
{
    const struct timespec pause = {.tv_nsec = TRY_PAUSE_NS};

    nanosleep(&pause, NULL);
}

/* Paths are relative: mosquitto runs in its folder, and its syntax has no paths with spaces. */
static bool broker_write_configuration(const char *path, const char *socket_name, bool keep)
{
    FILE *stream = fopen(path, "we");

    if (!stream)
        return false;
    fprintf(stream,
        "listener 0 %s\nmax_qos 1\nmax_topic_alias 8\nallow_anonymous true\n"
        "log_dest stderr\nlog_type error\nmax_queued_messages 10000\nmax_inflight_messages 100\n"
        "max_keepalive 1200\npersistent_client_expiration 1h\n",
        socket_name);
    /* mosquitto also writes the file when it is terminated. */
    if (keep)
        fprintf(stream, "persistence true\npersistence_location ./\npersistence_file " KEPT "\n"
                        "autosave_interval 30\n");
    /* As root it would switch to the user mosquitto, who cannot write to the folder. */
    if (geteuid() == 0)
        fprintf(stream, "user root\n");
    return fclose(stream) == 0;
}

static bool broker_listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good;

    memcpy(address.sun_path, path, strlen(path) + 1);
    good =
        descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (descriptor >= 0)
        close(descriptor);
    return good;
}

/* Debian installs it in a directory that is not in a user's PATH. */
static char *broker_mosquitto_path(void)
{
    static char usual[] = "/usr/sbin/mosquitto", by_name[] = "mosquitto";

    return access(usual, X_OK) == 0 ? usual : by_name;
}

static int broker_spawn_mosquitto(struct broker *broker, const struct broker_options *options)
{
    static char configuration[] = CONFIGURATION;
    /* The kernel terminates the broker with the sandbox, even if that is killed. */
    char *bound[] = {
        "setpriv", "--pdeathsig", "TERM", broker_mosquitto_path(), "-c", configuration, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int code;

    posix_spawnattr_init(&attributes);
    /* Its own process group: Ctrl-C must reach only the sandbox, which stops the broker last. */
    sigemptyset(&none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(
        &actions, STDERR_FILENO, broker->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addchdir_np(&actions, options->folder);
    /* Duplicated to itself, the descriptor stays open in the child. */
    if (options->lock >= 0)
        posix_spawn_file_actions_adddup2(&actions, options->lock, options->lock);
    code = posix_spawnp(&broker->pid, bound[0], &actions, &attributes, bound, environ);
    if (code == ENOENT)
        code = posix_spawnp(&broker->pid, bound[3], &actions, &attributes, bound + 3, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

static bool broker_wait_until_it_listens(struct broker *broker)
{
    int status;

    for (int i = 0; i < START_TRIES; i++) {
        if (broker_listens(broker->socket))
            return true;
        if (waitpid(broker->pid, &status, WNOHANG) == broker->pid) {
            broker->pid = 0;
            break;
        }
        broker_pause_shortly();
    }
    fprintf(stderr, "iotify-sandbox: mosquitto did not start; see %s\n", broker->log);
    broker_stop(broker);
    return false;
}

bool broker_start(struct broker *broker, const struct broker_options *options)
{
    char configuration[4200], name[32];
    int code;

    *broker = (struct broker){0};
    /* Unique per process: the broker of a killed sandbox may still delete its own socket. */
    snprintf(name, sizeof(name), "broker-%d.sock", (int)getpid());
    if ((size_t)snprintf(broker->socket, sizeof(broker->socket), "%s/%s", options->folder, name) >=
        sizeof(broker->socket)) {
        fprintf(stderr, "iotify-sandbox: the path of --dir is too long for a socket\n");
        return false;
    }
    snprintf(configuration, sizeof(configuration), "%s/" CONFIGURATION, options->folder);
    snprintf(broker->log, sizeof(broker->log), "%s/broker.log", options->folder);
    unlink(broker->socket);
    if (!broker_write_configuration(configuration, name, options->keep)) {
        fprintf(stderr, "iotify-sandbox: cannot write %s: %s\n", configuration, strerror(errno));
        return false;
    }
    code = broker_spawn_mosquitto(broker, options);
    if (code != 0) {
        fprintf(stderr,
            "iotify-sandbox: cannot start mosquitto: %s; install the package mosquitto\n",
            strerror(code));
        broker->pid = 0;
        return false;
    }
    return broker_wait_until_it_listens(broker);
}

bool broker_runs(struct broker *broker)
{
    int status;

    if (broker->pid <= 0 || waitpid(broker->pid, &status, WNOHANG) != broker->pid)
        return true;
    broker->pid = 0;
    fprintf(stderr, "iotify-sandbox: the broker has ended, %s %d; see %s\n",
        WIFSIGNALED(status) ? "by signal" : "with status",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), broker->log);
    return false;
}

void broker_forget(const char *folder)
{
    char path[4200];

    snprintf(path, sizeof(path), "%s/" KEPT, folder);
    unlink(path);
}

void broker_stop(struct broker *broker)
{
    int status;

    if (broker->pid <= 0)
        return;
    kill(broker->pid, SIGTERM);
    for (int i = 0; i < STOP_TRIES && broker->pid; i++) {
        if (waitpid(broker->pid, &status, WNOHANG) == broker->pid)
            broker->pid = 0;
        else
            broker_pause_shortly();
    }
    if (broker->pid) {
        kill(broker->pid, SIGKILL);
        waitpid(broker->pid, &status, 0);
    }
    broker->pid = 0;
    unlink(broker->socket);
}
