/* Taking away what was made for one client. */
#ifndef PLUGINS_AWS_REMOVAL_H
#define PLUGINS_AWS_REMOVAL_H

#include "plugins/aws/aws.h"
#include "plugins/aws/record.h"

/*
 * Delete certificate and thing of a record from AWS, in AWS's order; what is gone already is no
 * error, and a thing that was made for another certificate stays. The record is not touched.
 */
enum iotify_result removal_of_made(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);
/* The whole removal: the record says DELETING, then what it names goes, then the record. */
enum iotify_result removal_of_record(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);

#endif
