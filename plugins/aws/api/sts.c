/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/api/sts.h"

#include <string.h>

#include "plugins/aws/api/client.h"
#include "plugins/aws/api/client_internal.h"
#include "plugins/aws/api/signed_request.h"

static enum iotify_result sts_account_once(struct iotify_call *call, void *argument)
{
    static const char body[] = "Action=GetCallerIdentity&Version=2011-06-15";
    struct client_sending *sending = argument;
    struct http_response response;
    enum iotify_result result;
    const char *open, *close;

    sending->outgoing = (struct signed_request){.operation = "GetCallerIdentity",
        .method = "POST",
        .endpoint = sending->client->target.sts_endpoint,
        .path = "/",
        .query = "",
        .service = "sts",
        .content_type = "application/x-www-form-urlencoded; charset=utf-8",
        .body = body,
        .body_size = sizeof(body) - 1};
    result = signed_request_send(&sending->client->signer, call, &sending->outgoing, &response);
    if (result == IOTIFY_RESULT_OK) {
        open = strstr(iotify_buffer_text(&response.body), "<Account>");
        close = open ? strstr(open, "</Account>") : NULL;
        if (close && close - open - 9 <= 20) {
            char *account = call->host->alloc(call, 24);

            memcpy(account, open + 9, (size_t)(close - open) - 9);
            sending->request->name = account;
        } else {
            result = call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
                "GetCallerIdentity: the answer names no account");
        }
    }
    http_response_clear(&response);
    return result;
}

enum iotify_result aws_account(
    struct aws_client *client, struct iotify_call *call, const char **account)
{
    struct aws_request request = {0};
    struct client_sending sending = {.client = client, .request = &request};
    enum iotify_result result;

    *account = NULL;
    if (!client->target.sts_endpoint) {
        struct credentials credentials;

        /* Check at least that there are credentials. */
        result = credentials_get(client->signer.credentials, call, NULL, &credentials);
        explicit_bzero(&credentials, sizeof(credentials));
        return result;
    }
    result = call->host->perform(call, "GetCallerIdentity", sts_account_once, &sending);
    *account = request.name;
    return result;
}
