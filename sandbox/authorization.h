/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization on the data plane: loads the policies of a certificate, and of the groups of its
 * thing, from the state into a `grants` object, which then decides on each message.
 *
 * All functions may be called on any thread, but a `grants` object is used by one thread only.
 */
#ifndef SANDBOX_AUTHORIZATION_H
#define SANDBOX_AUTHORIZATION_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "sandbox/state.h"

struct authorization;
struct authorization_grants;

/*
 * `notify` is called when authorization_next_changed() has a certificate to return: on any thread,
 * also inside a transaction of `state`, so it must not use the state.
 */
struct authorization *authorization_new(
    struct state *state, void (*notify)(void *argument), void *argument);
void authorization_free(struct authorization *authorization);

/*
 * Report a change that makes all loaded grants outdated. `certificate` is an id whose live sessions
 * must be checked again, or "".
 */
void authorization_changed(struct authorization *authorization, const char *certificate);
/* Increases with each change: grants loaded at an older version are outdated. */
uint64_t authorization_version(const struct authorization *authorization);
/* Dequeue the id of a certificate whose sessions must be checked; false when there is none. */
bool authorization_next_changed(struct authorization *authorization, char certificate[65]);

/*
 * Load what the holder of a certificate may do. `client_id` is "" over HTTPS. Runs a transaction,
 * so it must not be called inside one. Never NULL; free with authorization_grants_free().
 */
struct authorization_grants *authorization_load(struct authorization *authorization,
    const X509 *certificate, const char *id, const char *client_id, const char *source_ip);
void authorization_grants_free(struct authorization_grants *grants);
/* Is the certificate registered and ACTIVE? */
bool authorization_grants_active(const struct authorization_grants *grants);

/* Has any decision so far read the current time? Then decisions must not be cached. */
bool authorization_grants_depend_on_time(const struct authorization_grants *grants);

/* Is `action` ("iot:Publish") allowed on the resource of `kind` ("topic") and `name` ("a/b")? */
bool authorization_grants_allow(const struct authorization_grants *grants, const char *action,
    const char *kind, const char *name);

#endif
