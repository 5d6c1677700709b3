/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease keeps two runs from working on the same store. It is a note that the run renews as long
 * as it lives. A run takes over a lease that was not renewed for a minute, or whose process no
 * longer exists on this machine. The lease does not protect the records; compare-and-set does.
 */
#ifndef CORE_STORE_LEASE_H
#define CORE_STORE_LEASE_H

#include "core/store/store.h"

struct lease;

/*
 * Take the store's lease; a thread renews it until lease_drop(). IOTIFY_RESULT_CONFLICT with a
 * message when another run holds it; also other errors of the store. A store that is not durable
 * has no lease: IOTIFY_RESULT_OK, and `*out` is NULL.
 */
enum iotify_result lease_take(struct store *store, struct call *call, struct lease **out);
/* End the thread and delete the lease, before the store is closed; NULL is allowed. */
void lease_drop(struct lease *lease);

#endif
