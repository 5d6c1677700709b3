/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what on the data plane: certificates, their things, groups and policies as the state
 * has them, brought to a form that can be asked for each message.
 *
 * All functions are safe on any thread; what authorization_load() returned belongs to one.
 */
#ifndef SANDBOX_AUTHORIZATION_H
#define SANDBOX_AUTHORIZATION_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "sandbox/state.h"

struct authorization;
struct grants;

/* `notify` is called, on any thread, when a certificate has to be looked at again. */
struct authorization *authorization_new(
    struct state *state, void (*notify)(void *argument), void *argument);
void authorization_free(struct authorization *authorization);

/* Something was changed that policies depend on; `certificate`: its live sessions too. "": none. */
void authorization_changed(struct authorization *authorization, const char *certificate);
/* Grows with each change: what was asked before has to be asked again. */
uint64_t authorization_version(const struct authorization *authorization);
/* Take one certificate that has to be looked at again; false when there is none. */
bool authorization_next_changed(struct authorization *authorization, char certificate[65]);

/*
 * What the holder of a certificate may do. `client_id` "" where there is none (HTTPS). Never NULL;
 * free with authorization_grants_free().
 */
struct grants *authorization_load(struct authorization *authorization, const X509 *certificate,
    const char *id, const char *client_id, const char *source_ip);
void authorization_grants_free(struct grants *grants);
/* Is the certificate registered and ACTIVE? */
bool authorization_grants_active(const struct grants *grants);

/* Has some answer so far come from the time of day? Then it may be another one later. */
bool authorization_grants_depend_on_time(const struct grants *grants);

/* `action` "iot:Publish"; `kind` and `name` make the resource: "topic", "a/b". */
bool authorization_grants_allow(
    const struct grants *grants, const char *action, const char *kind, const char *name);

#endif
