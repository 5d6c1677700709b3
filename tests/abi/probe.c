/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structures and functions that host and plugins share, for a comparison of two versions of the
 * headers. The values of enumerations and flags are in layout.c.
 */
#include <iotify/connector.h>
#if __has_include(<iotify/extensions.h>)
#include <iotify/extensions.h>
#endif
#include <iotify/host.h>
#include <iotify/plugin.h>
#include <iotify/settings.h>
#include <iotify/storage.h>
#include <iotify/transport.h>
#define EXPORT __attribute__((visibility("default")))
EXPORT const struct iotify_plugin *probe_plugin;
EXPORT const struct iotify_host *probe_host;
EXPORT const struct iotify_transport *probe_transport;
EXPORT const struct iotify_storage *probe_storage;
EXPORT const struct iotify_connector *probe_connector;
EXPORT const struct iotify_loop *probe_loop;
EXPORT const struct iotify_session_events *probe_events;
EXPORT const struct iotify_action *probe_action;

#ifdef IOTIFY_EXTENSION_READ_AHEAD_1
EXPORT const struct iotify_socketpair_1 *probe_socketpair;
EXPORT const struct iotify_read_ahead_1 *probe_read_ahead;
#endif
