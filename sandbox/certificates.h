/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates: what other resources' handlers need of them. On the thread of the request, in its
 * transaction.
 */
#ifndef SANDBOX_CERTIFICATES_H
#define SANDBOX_CERTIFICATES_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* Store a PEM certificate. Its row, a new reference; NULL after an error. */
json_t *certificates_create_row(const struct request *request, struct response *response,
    const char *pem, const char *status, const char *mode);
/* Set the status of the certificate `id`. False after an error. */
bool certificates_set_status(
    const struct request *request, struct response *response, const char *id, const char *status);

#endif
