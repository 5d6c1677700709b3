/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHANGED_MAX 256

static pthread_mutex_t system_calls_lock = PTHREAD_MUTEX_INITIALIZER;
/* Files and folders that have changed; under the lock. */
static struct {
    dev_t device;
    ino_t number;
} system_calls_changed[CHANGED_MAX];
static size_t system_calls_changes;

static atomic_ulong seen;
static atomic_ulong until_death, until_error; /* calls; 0: it does not come */
static atomic_int error_number;

void system_calls_forget(void)
{
    pthread_mutex_lock(&system_calls_lock);
    system_calls_changes = 0;
    pthread_mutex_unlock(&system_calls_lock);
    atomic_store(&seen, 0);
}

unsigned long system_calls_seen(void)
{
    return atomic_load(&seen);
}

bool system_calls_unsynced(void)
{
    bool unsynced;

    pthread_mutex_lock(&system_calls_lock);
    unsynced = system_calls_changes > 0;
    pthread_mutex_unlock(&system_calls_lock);
    return unsynced;
}

void system_calls_die_at(unsigned long number)
{
    atomic_store(&until_death, number);
}

void system_calls_fail_at(unsigned long number, int error)
{
    atomic_store(&error_number, error);
    atomic_store(&until_error, number);
}

bool system_calls_failed(void)
{
    return atomic_load(&until_error) == 0;
}

/* ------------------------------------------------------------------ what has changed */

static void system_calls_remove(const struct stat *about)
{
    pthread_mutex_lock(&system_calls_lock);
    for (size_t i = 0; i < system_calls_changes; i++)
        if (system_calls_changed[i].device == about->st_dev &&
            system_calls_changed[i].number == about->st_ino)
            system_calls_changed[i--] = system_calls_changed[--system_calls_changes];
    pthread_mutex_unlock(&system_calls_lock);
}

static void system_calls_add(const struct stat *about)
{
    system_calls_remove(about);
    pthread_mutex_lock(&system_calls_lock);
    if (system_calls_changes < CHANGED_MAX) {
        system_calls_changed[system_calls_changes].device = about->st_dev;
        system_calls_changed[system_calls_changes++].number = about->st_ino;
    }
    pthread_mutex_unlock(&system_calls_lock);
}

/* A regular file that was opened to be durable with each write is. */
static void system_calls_note_change(int descriptor)
{
    struct stat about;

    if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode))
        return;
    atomic_fetch_add(&seen, 1);
    if (!(fcntl(descriptor, F_GETFL) & O_DSYNC))
        system_calls_add(&about);
}

static void system_calls_note_sync(int descriptor)
{
    struct stat about;

    atomic_fetch_add(&seen, 1);
    if (fstat(descriptor, &about) == 0)
        system_calls_remove(&about);
}

/* A name that goes: what it stood for need not be on the disk. */
static void system_calls_note_end(int folder, const char *path)
{
    struct stat about;

    if (fstatat(folder, path, &about, AT_SYMLINK_NOFOLLOW) == 0)
        system_calls_remove(&about);
}

/* The folder of a new name. */
static void system_calls_note_name(int folder, const char *path)
{
    char name[4096];
    const char *slash = strrchr(path, '/');
    struct stat about;

    snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    atomic_fetch_add(&seen, 1);
    if (fstatat(folder, name, &about, 0) == 0)
        system_calls_add(&about);
}

/* ------------------------------------------------------------------ in place of the C library's */

/* Before each call. False: it fails, and errno says how; a write of `size` may become shorter. */
static bool system_calls_begin(size_t *size)
{
    if (atomic_load(&until_death) && atomic_fetch_sub(&until_death, 1) == 1)
        kill(getpid(), SIGKILL);
    if (!atomic_load(&until_error) || atomic_fetch_sub(&until_error, 1) != 1)
        return true;
    errno = atomic_load(&error_number);
    if (errno == 0 && size && *size > 1)
        *size /= 2;
    return errno == 0;
}

#pragma GCC visibility push(default)

ssize_t write(int descriptor, const void *data, size_t size)
{
    if (!system_calls_begin(&size))
        return -1;
    system_calls_note_change(descriptor);
    return syscall(SYS_write, descriptor, data, size);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    if (!system_calls_begin(NULL))
        return -1;
    system_calls_note_change(descriptor);
    return syscall(SYS_writev, descriptor, parts, count);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset)
{
    if (!system_calls_begin(&size))
        return -1;
    system_calls_note_change(descriptor);
    return syscall(SYS_pwrite64, descriptor, data, size, offset);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    return pwrite64(descriptor, data, size, offset);
}

int ftruncate64(int descriptor, off64_t size)
{
    if (!system_calls_begin(NULL))
        return -1;
    system_calls_note_change(descriptor);
    return (int)syscall(SYS_ftruncate, descriptor, size);
}

int ftruncate(int descriptor, off_t size)
{
    return ftruncate64(descriptor, size);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (!system_calls_begin(NULL))
        return -1;
    system_calls_note_end(to_folder, to);
    system_calls_note_name(to_folder, to);
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int folder, const char *path, int flags)
{
    if (!system_calls_begin(NULL))
        return -1;
    system_calls_note_end(folder, path);
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int fsync(int descriptor)
{
    if (!system_calls_begin(NULL))
        return -1;
    system_calls_note_sync(descriptor);
    return (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    if (!system_calls_begin(NULL))
        return -1;
    system_calls_note_sync(descriptor);
    return (int)syscall(SYS_fdatasync, descriptor);
}

int syncfs(int descriptor)
{
    if (!system_calls_begin(NULL))
        return -1;
    system_calls_forget();
    atomic_fetch_add(&seen, 1);
    return (int)syscall(SYS_syncfs, descriptor);
}

/* What memory stands for is not known: take it for all. */
int msync(void *memory, size_t size, int flags)
{
    if (!system_calls_begin(NULL))
        return -1;
    if (flags & MS_SYNC) {
        system_calls_forget();
        atomic_fetch_add(&seen, 1);
    }
    return (int)syscall(SYS_msync, memory, size, flags);
}

#pragma GCC visibility pop
