/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/limits.h"

#include <stdio.h>
#include <sys/resource.h>

#include "core/base/log.h"

/* Descriptors for files, plugins, event loops and the store. */
#define OTHER_DESCRIPTORS 200

void limits_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void limits_check_descriptors(const char *where, int64_t sessions)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY ||
        (int64_t)limit.rlim_max >= sessions + OTHER_DESCRIPTORS)
        return;
    log_write(IOTIFY_LOG_WARNING, where,
        "%lld connections need %lld descriptors, and the system allows %lld; raise the limit with "
        "ulimit -Hn, or nofile in /etc/security/limits.conf, or LimitNOFILE= of the service",
        (long long)sessions, (long long)sessions + OTHER_DESCRIPTORS, (long long)limit.rlim_max);
}

static void limits_check_ports(const char *where, int64_t sessions)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    long long first, last;
    int found = file ? fscanf(file, "%lld %lld", &first, &last) : 0;

    if (file)
        fclose(file);
    if (found != 2 || last - first + 1 >= sessions)
        return;
    log_write(IOTIFY_LOG_WARNING, where,
        "%lld connections to one address need as many ports, and the system gives %lld (%lld to "
        "%lld); set: sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"",
        (long long)sessions, last - first + 1, first, last);
}

void limits_check(const char *where, int64_t sessions)
{
    limits_check_descriptors(where, sessions);
    limits_check_ports(where, sessions);
}
