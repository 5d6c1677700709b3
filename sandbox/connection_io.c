/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a connection: writes those that wait, finds the packets in those that were read. */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/connection.h"
#include "sandbox/connection_internal.h"

size_t connection_waiting(const struct connection_flow *flow)
{
    return flow->waiting.size - flow->written;
}

static void connection_empty(struct connection_flow *flow)
{
    iotify_buffer_clear(&flow->waiting);
    flow->written = 0;
}

/* Removes written bytes, so that a flow that is never empty does not grow without limit. */
static void connection_compact(struct connection_flow *flow)
{
    if (flow->written < CHUNK)
        return;
    flow->waiting.size -= flow->written;
    memmove(flow->waiting.data, flow->waiting.data + flow->written, flow->waiting.size);
    flow->written = 0;
}

int connection_tls_result(struct connection *connection, int result)
{
    int error;

    if (result > 0)
        return 1;
    error = SSL_get_error(connection->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_WRITE)
        connection->client_wants_write = true;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool connection_write_client(struct connection *connection)
{
    struct connection_flow *flow = &connection->down;

    if (connection->client_gone || connection->client_parted) {
        connection_empty(flow);
        return true;
    }
    while (connection_waiting(flow)) {
        size_t size = connection_waiting(flow) < CHUNK ? connection_waiting(flow) : CHUNK;
        int done = SSL_write(connection->ssl, flow->waiting.data + flow->written, (int)size);
        int result = connection_tls_result(connection, done);

        if (result <= 0) {
            connection_compact(flow);
            return result == 0;
        }
        flow->written += (size_t)done;
    }
    connection_empty(flow);
    return true;
}

bool connection_write_peer(struct connection *connection)
{
    struct connection_flow *flow = &connection->up;

    if (connection->peer < 0)
        return true;
    while (connection_waiting(flow) && !connection->peer_deaf) {
        ssize_t done = send(connection->peer, flow->waiting.data + flow->written,
            connection_waiting(flow), MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN) {
            connection_compact(flow);
            return true;
        }
        /* The peer takes no more bytes, but what it has sent can still be read. */
        if (done < 0)
            connection->peer_deaf = true;
        else
            flow->written += (size_t)done;
    }
    connection_empty(flow);
    return true;
}

bool connection_act_on(struct connection *connection, enum session_next next)
{
    switch (next) {
    case SESSION_CONTINUES:
        return true;
    case SESSION_ENDS:
        connection->ending = true;
        return true;
    case SESSION_STALLS:
        connection->stalled = true;
        uv_timer_start(&connection->deadline, connection_on_deadline, STALL_MS, 0);
        return true;
    case SESSION_RESETS:
        connection_reset(connection);
        return false;
    case SESSION_CUT:
        break;
    }
    return false;
}

static bool connection_take_packet(
    struct connection *connection, const struct mqtt_packet *packet, bool from_client)
{
    struct session *session = connection->session;
    bool before = session_connected(session);
    enum session_next next = from_client ? session_from_client(session, packet,
                                               &connection->up.waiting, &connection->down.waiting)
                                         : session_from_broker(session, packet,
                                               &connection->up.waiting, &connection->down.waiting);

    if (!before && session_connected(session))
        connection->common->sessions++;
    return connection_act_on(connection, next);
}

/* Processes all complete packets; `*used` is the offset of the first incomplete one. */
static bool connection_take_packets(
    struct connection *connection, const uint8_t *data, size_t size, bool from_client, size_t *used)
{
    *used = 0;
    while (!connection->ending && !connection->stalled) {
        struct mqtt_packet packet;

        /* The first packet must be a CONNECT: other bytes are refused at once, even incomplete. */
        if (from_client && *used < size && !session_connected(connection->session) &&
            data[*used] != MQTT_CONNECT << 4)
            return connection_act_on(connection,
                session_bad_packet(connection->session, false, &connection->down.waiting));
        switch (mqtt_find(data + *used, size - *used,
            from_client ? SESSION_PACKET_MAX : SESSION_DELIVERY_MAX, &packet)) {
        case MQTT_PACKET:
            *used += packet.size;
            if (!connection_take_packet(connection, &packet, from_client))
                return false;
            break;
        case MQTT_INCOMPLETE:
            return true;
        case MQTT_TOO_LARGE:
            return connection_act_on(connection,
                session_bad_packet(connection->session, true, &connection->down.waiting));
        case MQTT_GARBAGE:
            return connection_act_on(connection,
                session_bad_packet(connection->session, false, &connection->down.waiting));
        }
    }
    return true;
}

bool connection_take_bytes(
    struct connection *connection, const uint8_t *data, size_t size, bool from_client)
{
    struct connection_flow *flow = from_client ? &connection->up : &connection->down;
    struct iotify_buffer *partial = &flow->partial;
    size_t used;

    if (connection->protocol == HTTPS)
        return iotify_buffer_append(&flow->waiting, data, size);
    if (partial->size == 0) {
        if (!connection_take_packets(connection, data, size, from_client, &used))
            return false;
        return used == size || iotify_buffer_append(partial, data + used, size - used);
    }
    if (!iotify_buffer_append(partial, data, size) ||
        !connection_take_packets(
            connection, (const uint8_t *)partial->data, partial->size, from_client, &used))
        return false;
    if (used == partial->size) {
        iotify_buffer_clear(partial);
    } else {
        memmove(partial->data, partial->data + used, partial->size - used);
        partial->size -= used;
    }
    return true;
}
