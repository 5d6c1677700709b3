/* SPDX-License-Identifier: Apache-2.0 */
/* All that host and plugins share, for a comparison of two versions of the headers. */
#include <iotify/connector.h>
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
