/* SPDX-License-Identifier: Apache-2.0 */
/* The instance of the connector: its settings, and the state that its steps share. */
#ifndef PLUGINS_AWS_INSTANCE_H
#define PLUGINS_AWS_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>

#include <iotify/buffer.h>
#include <iotify/connector.h>

#include "plugins/aws/api/client.h"
#include "plugins/aws/device/unique_names.h"
#include "plugins/aws/job_record.h"

#define AWS_DEFAULT_TYPE "iotify_type"
#define AWS_DEFAULT_GROUP "iotify"
#define AWS_DEFAULT_POLICY "IOTIFY_AUTOMATED_POLICY"
#define AWS_DEFAULT_THING "iotify_{{client()}}"
#define AWS_DEFAULT_KEY "aws_iotify_{{client()}}_key"
#define AWS_DEFAULT_CERT "aws_iotify_{{client()}}_cert"

/* Policy steps beyond that many are not remembered. */
#define AWS_POLICIES_MAX 16

struct aws_options {
    const char *region, *profile, *endpoint, *signing_name, *ca;
    struct iotify_map quotas;
    struct iotify_list accounts, regions; /* allowed ones; empty: any */
};

/* Settings of the job's steps, set by their prepare(); read-only during the run. */
struct aws_names {
    const char *type, *group, *policy; /* NULL: the job has no such step */
    struct aws_policy_step {           /* of all policy steps; `document` is NULL for the default */
        const char *name, *document;
    } policies[AWS_POLICIES_MAX];
    size_t policy_count;
    const char *device_policy;      /* of the device step; NULL: `policy` */
    bool group_has_policy;          /* the policy is attached to the group, not to devices */
    const char *thing, *key, *cert; /* of the device step, with expressions not evaluated */
    bool adopt;                     /* a device step uses existing things */
    bool exclusive;                 /* certificates are attached exclusively */
};

struct orphan_list;  /* device/orphan.c */
struct account_view; /* device/account_view.c */

struct aws_instance {
    const struct aws_options *options;
    struct aws_target target;
    struct iotify_buffer region, endpoint, sts_endpoint, quotas_endpoint;
    struct aws_client *client;
    struct aws_names names;
    double account_rates[AWS_OPERATIONS]; /* the account's quotas, calls per second; 0: unknown */
    pthread_mutex_t mutex;                /* protects `account` */
    char account[24];                     /* "" until known */
    struct unique_names unique_names;     /* names that the devices of the current step use */
    pthread_mutex_t orphans_mutex;        /* protects `orphans` */
    struct orphan_list *orphans;          /* NULL until it is needed */
    struct account_view *view;            /* NULL until it is loaded */
    /* How long AWS takes to detach a certificate, as seen so far, in ns; 0: no time. */
    atomic_llong detach_time;
    atomic_llong detach_raised; /* when that was raised last, monotonic, in ns */
    atomic_bool doubt;          /* there are records with `doubt` */
    atomic_bool uncertain;      /* AWS may have created a certificate whose answer was lost */
    /* Did this run open the window for orphans, and what was it before? Main thread. */
    bool window_opened;
    struct job_record_window window_before;
};

/* Set the account from an ARN, for jobs without STS. Any thread. */
void aws_instance_note_arn(struct aws_instance *instance, const char *arn);
/* The account in the call's arena; "*" when it is unknown. Any thread. */
const char *aws_instance_account(struct aws_instance *instance, struct iotify_call *call);
/* The partition of a region: "aws", "aws-cn" or "aws-us-gov". */
const char *aws_partition(const char *region);

/* True for a name that AWS allows; otherwise sets an error that names the setting. */
bool aws_check_name(struct iotify_call *call, const char *setting, const char *name);
bool aws_check_policy_name(struct iotify_call *call, const char *setting, const char *name);

/* The operations of the connector; see iotify/connector.h. */
enum iotify_result aws_instance_open(struct iotify_call *call, const void *options, void **out);
void aws_instance_close(void *given);
enum iotify_result aws_instance_connect(void *given, struct iotify_call *call, const char **realm);
enum iotify_result aws_instance_endpoint(
    void *given, struct iotify_call *call, const char *protocol, struct iotify_endpoint *out);
double aws_instance_rate(void *given, const char *operation, bool *known);
void aws_instance_permit(void *given, struct iotify_call *call);
enum iotify_result aws_instance_grant(void *given, struct iotify_call *call,
    const struct iotify_permission *permissions, size_t count, const char **document);

#endif
