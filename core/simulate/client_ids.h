/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which clients of a simulation use which client id: of clients with the same id a server keeps one
 * connected. Any thread.
 */
#ifndef CORE_SIMULATE_CLIENT_IDS_H
#define CORE_SIMULATE_CLIENT_IDS_H

#include <stdint.h>

struct client_ids;

/* An empty set; freed with client_ids_free(), which takes NULL. */
struct client_ids *client_ids_new(void);
void client_ids_free(struct client_ids *ids);
/* Note that `client` uses `id`; returns another client that uses it, too, or -1. */
int64_t client_ids_note(struct client_ids *ids, const char *id, int64_t client);
/* Another client that uses the same id as this one, or -1; of the first 1,000 such clients. */
int64_t client_ids_find_other(struct client_ids *ids, int64_t client);

#endif
