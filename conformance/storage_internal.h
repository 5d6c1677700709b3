/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the storage suite share. Main thread, unless stated otherwise. */
#ifndef CONFORMANCE_STORAGE_INTERNAL_H
#define CONFORMANCE_STORAGE_INTERNAL_H

#include "conformance/suite.h"
#include "core/store/guard.h"

/* An open store, with the call that its operations are given. One thread at a time. */
struct storage_world {
    struct suite *suite;
    const void *options;
    struct guard *guard; /* `owned`, or that of another world */
    struct guard owned;
    struct call call;
    bool open;
};

#define STORAGE_KEYS_MAX 6000

struct storage_keys {
    struct arena arena;
    const char *items[STORAGE_KEYS_MAX];
    size_t count;
};

/* Open the store; false after the case has failed. */
bool storage_open(struct suite *suite, struct storage_world *world);
void storage_close(struct storage_world *world);
/* The result of one write; the case fails when apply() does. Any thread with a world of its own. */
enum iotify_result storage_write(struct storage_world *world, enum iotify_write_kind kind,
    const char *key, const char *value, const char *expected);
/* The value of a key, NULL: absent; valid as long as the call. Any thread, likewise. */
const char *storage_read(struct storage_world *world, const char *key);
/* Check that a key has a value; NULL: that it is absent. */
bool storage_expect(struct storage_world *world, const char *key, const char *value);
/* Replace `keys` by those that scan() finds. Any thread, likewise. */
size_t storage_scan(struct storage_world *world, const char *prefix, const char *after,
    size_t limit, struct storage_keys *keys);
void storage_clear_keys(struct storage_keys *keys);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One case of `suite`, with the store of `options` open: "NAME: DETAIL"; `detail` may be NULL. */
void storage_case(struct suite *suite, const void *options, const char *name, const char *detail,
    void (*run)(struct storage_world *world, const void *data), const void *data);

/* One write and what it does. */
struct storage_rule {
    const char *name;
    enum iotify_write_kind kind;
    const char *before, *value, *expected; /* NULL: absent, or not used */
    enum iotify_result result;
    const char *after;
};
extern const struct storage_rule storage_rules[];

void storage_data_cases(struct suite *suite, const void *options);
void storage_write_cases(struct suite *suite, const void *options);
void storage_scan_cases(struct suite *suite, const void *options);
/* Cases with many threads, and the last one, in which the run is stopped. */
void storage_race_cases(struct suite *suite, const void *options);
/* Cases in which another process is killed while it writes. */
void storage_kill_cases(struct suite *suite, const void *options);

#endif
