/*
 * What AWS has of a device: made and tied together from a stored record, and taken away again. All
 * of it is safe to repeat.
 */
#ifndef PLUGINS_AWS_DEVICE_PROVISION_H
#define PLUGINS_AWS_DEVICE_PROVISION_H

#include "plugins/aws/aws.h"
#include "plugins/aws/device/record.h"

/*
 * Make certificate, thing and all ties of a record that is RECORD_SEALED, then the record
 * RECORD_READY. When another run took the device away meanwhile, what this one made goes too.
 */
enum iotify_result provision(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record);

/*
 * Delete certificates and thing of a record from AWS, in AWS's order; what is gone already is no
 * error, and a thing that was made for another certificate stays. The record is not touched.
 */
enum iotify_result removal_of_made(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);
/*
 * The whole removal: the record says DELETING, then what it names goes, then the record is a
 * tombstone. IOTIFY_UNCHANGED when it is one already.
 */
enum iotify_result removal_of_record(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);

/*
 * Show by listings that nothing is left of what tombstones name, then delete them. Of what is left
 * the records say DELETING again; `left` is how many these are. Call of the job.
 */
enum iotify_result removal_prove(
    struct aws_instance *instance, struct iotify_call *call, size_t *left);
/* The same at the end of a removal, where anything left is a failure. */
enum iotify_result removal_conclude(struct aws_instance *instance, struct iotify_call *call);
/* What a removal of the client's device would do, for plans. */
enum iotify_result removal_plan(struct aws_instance *instance, struct iotify_call *call);

/* The calls of each, for estimates and plans; `count` devices. */
void provision_calls(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options, int64_t count);
void removal_calls(struct iotify_call *call, const struct aws_instance *instance, int64_t count);

#endif
