/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA keys made ahead: one costs a third of a second of CPU, and a caller of AWS expects an answer
 * at once. A thread of low priority fills the pool; the keys lie in the user's cache folder, so
 * that the next sandbox starts with a full one. All functions are safe on any thread.
 */
#ifndef SANDBOX_KEY_POOL_H
#define SANDBOX_KEY_POOL_H

#include <openssl/evp.h>
#include <stddef.h>

struct key_pool;

/*
 * A pool of `size` keys in `folder` (made with mode 0700; the files get 0600; NULL: the user's
 * cache folder). Never NULL: without a folder that can be written the keys stay in memory.
 */
struct key_pool *key_pool_open(const char *folder, size_t size);
/* What was not used stays in the folder. */
void key_pool_close(struct key_pool *pool);

/*
 * A key for one use, the caller's to free: from the pool, else made now. Two sandboxes that share
 * a folder never get the same one. NULL when OpenSSL fails.
 */
EVP_PKEY *key_pool_take(struct key_pool *pool);
/* How many lie ready. */
size_t key_pool_ready(struct key_pool *pool);

#endif
