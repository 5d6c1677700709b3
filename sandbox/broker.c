#include "sandbox/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES 500
#define STOP_TRIES 300
#define TRY_PAUSE_NS 10000000L

extern char **environ;

static void pause_shortly(void)
{
    const struct timespec pause = {.tv_nsec = TRY_PAUSE_NS};

    nanosleep(&pause, NULL);
}

static bool write_configuration(const char *path, const char *socket_path)
{
    FILE *stream = fopen(path, "we");

    if (!stream)
        return false;
    fprintf(stream,
        "listener 0 %s\nmax_qos 1\nmax_topic_alias 8\nallow_anonymous true\npersistence false\n"
        "log_dest stderr\nlog_type error\nmax_queued_messages 10000\nmax_inflight_messages 100\n"
        "max_keepalive 1200\npersistent_client_expiration 1h\n",
        socket_path);
    /* As root it would become the user mosquitto, who cannot write here. */
    if (geteuid() == 0)
        fprintf(stream, "user root\n");
    return fclose(stream) == 0;
}

static bool listens(const char *path)
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

/* Debian puts it where a user's PATH does not look. */
static char *mosquitto_path(void)
{
    static char usual[] = "/usr/sbin/mosquitto", by_name[] = "mosquitto";

    return access(usual, X_OK) == 0 ? usual : by_name;
}

static int spawn_mosquitto(pid_t *pid, char *configuration, const char *log)
{
    /* The broker ends with the sandbox, even when that is killed. */
    char *bound[] = {"setpriv", "--pdeathsig", "TERM", mosquitto_path(), "-c", configuration, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int code;

    posix_spawnattr_init(&attributes);
    /* A Ctrl-C is for the sandbox, which ends the broker last. */
    sigemptyset(&none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(
        &actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    code = posix_spawnp(pid, bound[0], &actions, &attributes, bound, environ);
    if (code == ENOENT)
        code = posix_spawnp(pid, bound[3], &actions, &attributes, bound + 3, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

bool broker_start(struct broker *broker, const char *folder)
{
    char configuration[4200], log[4200];
    int code, status;

    *broker = (struct broker){0};
    /* A name of this process's own: the broker of one that was killed may still remove its socket.
     */
    if ((size_t)snprintf(broker->socket, sizeof(broker->socket), "%s/broker-%d.sock", folder,
            (int)getpid()) >= sizeof(broker->socket)) {
        fprintf(stderr, "iotify-sandbox: the path of --dir is too long for a socket\n");
        return false;
    }
    snprintf(configuration, sizeof(configuration), "%s/broker.conf", folder);
    snprintf(log, sizeof(log), "%s/broker.log", folder);
    unlink(broker->socket);
    if (!write_configuration(configuration, broker->socket)) {
        fprintf(stderr, "iotify-sandbox: cannot write %s: %s\n", configuration, strerror(errno));
        return false;
    }
    code = spawn_mosquitto(&broker->pid, configuration, log);
    if (code != 0) {
        fprintf(stderr,
            "iotify-sandbox: cannot start mosquitto: %s; install the package mosquitto\n",
            strerror(code));
        broker->pid = 0;
        return false;
    }
    for (int i = 0; i < START_TRIES; i++) {
        if (listens(broker->socket))
            return true;
        if (waitpid(broker->pid, &status, WNOHANG) == broker->pid) {
            broker->pid = 0;
            break;
        }
        pause_shortly();
    }
    fprintf(stderr, "iotify-sandbox: mosquitto did not start; see %s\n", log);
    broker_stop(broker);
    return false;
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
            pause_shortly();
    }
    if (broker->pid) {
        kill(broker->pid, SIGKILL);
        waitpid(broker->pid, &status, 0);
    }
    broker->pid = 0;
    unlink(broker->socket);
}
