/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA keys generated in advance: one takes a third of a second of CPU time, and AWS answers at
 * once. A low-priority thread fills the pool; the keys are files in the user's cache folder, so
 * that the next sandbox starts with a full pool. All functions may be called on any thread.
 */
#ifndef SANDBOX_KEY_POOL_H
#define SANDBOX_KEY_POOL_H

#include <openssl/evp.h>
#include <stddef.h>

struct key_pool;

/*
 * Open a pool of `size` keys in `folder` (created with mode 0700, files with 0600; NULL: the user's
 * cache folder). Never NULL: if the folder cannot be used, the keys stay in memory.
 */
struct key_pool *key_pool_open(const char *folder, size_t size);
/* Stop the thread and free the pool. Unused keys stay in the folder. */
void key_pool_close(struct key_pool *pool);

/*
 * Take a key, which the caller frees. If the pool is empty, the calling thread generates one. Two
 * sandboxes that share a folder never get the same key. NULL when OpenSSL fails.
 */
EVP_PKEY *key_pool_take(struct key_pool *pool);
/* Number of keys in the pool. */
size_t key_pool_ready(struct key_pool *pool);

#endif
