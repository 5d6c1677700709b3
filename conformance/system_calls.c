/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/system_calls.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_ulong syncs;
static atomic_ulong left; /* calls until the process dies; 0: it does not */

unsigned long system_calls_syncs(void)
{
    return atomic_load(&syncs);
}

void system_calls_die_at(unsigned long number)
{
    atomic_store(&left, number);
}

static void system_calls_count(void)
{
    if (atomic_load(&left) && atomic_fetch_sub(&left, 1) == 1)
        kill(getpid(), SIGKILL);
}

static void system_calls_count_sync(void)
{
    atomic_fetch_add(&syncs, 1);
    system_calls_count();
}

/* ------------------------------------------------------------------ in place of the C library's */

#pragma GCC visibility push(default)

ssize_t write(int descriptor, const void *data, size_t size)
{
    system_calls_count();
    return syscall(SYS_write, descriptor, data, size);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    system_calls_count();
    return syscall(SYS_writev, descriptor, parts, count);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    system_calls_count();
    return syscall(SYS_pwrite64, descriptor, data, size, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset)
{
    system_calls_count();
    return syscall(SYS_pwrite64, descriptor, data, size, offset);
}

int ftruncate(int descriptor, off_t size)
{
    system_calls_count();
    return (int)syscall(SYS_ftruncate, descriptor, size);
}

int ftruncate64(int descriptor, off64_t size)
{
    system_calls_count();
    return (int)syscall(SYS_ftruncate, descriptor, size);
}

int rename(const char *from, const char *to)
{
    system_calls_count();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    system_calls_count();
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

int unlink(const char *path)
{
    system_calls_count();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
    system_calls_count();
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int fsync(int descriptor)
{
    system_calls_count_sync();
    return (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    system_calls_count_sync();
    return (int)syscall(SYS_fdatasync, descriptor);
}

int msync(void *memory, size_t size, int flags)
{
    system_calls_count_sync();
    return (int)syscall(SYS_msync, memory, size, flags);
}

int syncfs(int descriptor)
{
    system_calls_count_sync();
    return (int)syscall(SYS_syncfs, descriptor);
}

#pragma GCC visibility pop
