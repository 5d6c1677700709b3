/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run at a time may change what a store records. The lease is a note that the run renews while
 * it lives; one whose process is gone, or that was not renewed for a minute, is taken over. It
 * spares two runs each other's way; what protects the records is compare-and-set.
 */
#ifndef CORE_STORE_LEASE_H
#define CORE_STORE_LEASE_H

#include "core/store/store.h"

struct lease;

/*
 * Take the store's lease; a thread renews it until lease_drop(). IOTIFY_CONFLICT with who has it.
 * A store that does not outlive the process has none: `*out` is NULL.
 */
enum iotify_result lease_take(struct store *store, struct call *call, struct lease **out);
/* Give it back; NULL is fine. Before the store is closed. */
void lease_drop(struct lease *lease);

#endif
