/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/api/operations.h"

#include <string.h>

/* Rates are the defaults in AWS's documentation; where it has two figures, the lower one. */
static const struct aws_form operations[AWS_OPERATIONS] = {
    [AWS_ADD_THING_TO_THING_GROUP] = {"AddThingToThingGroup", "PUT",
        "/thing-groups/addThingToThingGroup", 60, NULL, JSON_NULL, false},
    [AWS_ATTACH_POLICY] = {"AttachPolicy", "PUT", "/target-policies/{}", 15, NULL, JSON_NULL,
        false},
    [AWS_ATTACH_THING_PRINCIPAL] = {"AttachThingPrincipal", "PUT", "/things/{}/principals", 15,
        NULL, JSON_NULL, false},
    [AWS_CREATE_CERTIFICATE_FROM_CSR] = {"CreateCertificateFromCsr", "POST", "/certificates", 15,
        "certificatePem", JSON_STRING, true},
    [AWS_CREATE_KEYS_AND_CERTIFICATE] = {"CreateKeysAndCertificate", "POST",
        "/keys-and-certificate", 10, "certificatePem", JSON_STRING, true},
    [AWS_CREATE_POLICY] = {"CreatePolicy", "POST", "/policies/{}", 10, "policyArn", JSON_STRING,
        true},
    [AWS_CREATE_THING] = {"CreateThing", "POST", "/things/{}", 15, "thingArn", JSON_STRING, false},
    [AWS_CREATE_THING_GROUP] = {"CreateThingGroup", "POST", "/thing-groups/{}", 25, "thingGroupArn",
        JSON_STRING, true},
    [AWS_CREATE_THING_TYPE] = {"CreateThingType", "POST", "/thing-types/{}", 15, "thingTypeArn",
        JSON_STRING, true},
    [AWS_DELETE_CERTIFICATE] = {"DeleteCertificate", "DELETE", "/certificates/{}", 10, NULL,
        JSON_NULL, false},
    [AWS_DELETE_POLICY] = {"DeletePolicy", "DELETE", "/policies/{}", 10, NULL, JSON_NULL, false},
    [AWS_DELETE_POLICY_VERSION] = {"DeletePolicyVersion", "DELETE", "/policies/{}/version/{}", 10,
        NULL, JSON_NULL, false},
    [AWS_DELETE_THING] = {"DeleteThing", "DELETE", "/things/{}", 15, NULL, JSON_NULL, false},
    [AWS_DELETE_THING_GROUP] = {"DeleteThingGroup", "DELETE", "/thing-groups/{}", 15, NULL,
        JSON_NULL, false},
    [AWS_DELETE_THING_TYPE] = {"DeleteThingType", "DELETE", "/thing-types/{}", 15, NULL, JSON_NULL,
        false},
    [AWS_DEPRECATE_THING_TYPE] = {"DeprecateThingType", "POST", "/thing-types/{}/deprecate", 15,
        NULL, JSON_NULL, false},
    [AWS_DESCRIBE_CERTIFICATE] = {"DescribeCertificate", "GET", "/certificates/{}", 10,
        "certificateDescription", JSON_OBJECT, false},
    [AWS_DESCRIBE_ENDPOINT] = {"DescribeEndpoint", "GET", "/endpoint", 10, "endpointAddress",
        JSON_STRING, false},
    [AWS_DESCRIBE_THING_GROUP] = {"DescribeThingGroup", "GET", "/thing-groups/{}", 100,
        "thingGroupArn", JSON_STRING, false},
    [AWS_DESCRIBE_THING_TYPE] = {"DescribeThingType", "GET", "/thing-types/{}", 10, "thingTypeName",
        JSON_STRING, false},
    [AWS_DESCRIBE_THING] = {"DescribeThing", "GET", "/things/{}", 100, "thingName", JSON_STRING,
        false},
    [AWS_DETACH_POLICY] = {"DetachPolicy", "POST", "/target-policies/{}", 15, NULL, JSON_NULL,
        false},
    [AWS_DETACH_THING_PRINCIPAL] = {"DetachThingPrincipal", "DELETE", "/things/{}/principals", 15,
        NULL, JSON_NULL, false},
    [AWS_GET_POLICY] = {"GetPolicy", "GET", "/policies/{}", 10, "policyDocument", JSON_STRING,
        false},
    [AWS_LIST_ATTACHED_POLICIES] = {"ListAttachedPolicies", "POST", "/attached-policies/{}", 10,
        "policies", JSON_ARRAY, false},
    [AWS_LIST_CERTIFICATES] = {"ListCertificates", "GET", "/certificates", 10, "certificates",
        JSON_ARRAY, false},
    [AWS_LIST_POLICY_VERSIONS] = {"ListPolicyVersions", "GET", "/policies/{}/version", 10,
        "policyVersions", JSON_ARRAY, false},
    [AWS_LIST_PRINCIPAL_THINGS] = {"ListPrincipalThings", "GET", "/principals/things", 10, "things",
        JSON_ARRAY, false},
    [AWS_LIST_TARGETS_FOR_POLICY] = {"ListTargetsForPolicy", "POST", "/policy-targets/{}", 10,
        "targets", JSON_ARRAY, false},
    [AWS_LIST_THINGS] = {"ListThings", "GET", "/things", 10, "things", JSON_ARRAY, false},
    [AWS_LIST_THINGS_IN_THING_GROUP] = {"ListThingsInThingGroup", "GET", "/thing-groups/{}/things",
        25, "things", JSON_ARRAY, false},
    [AWS_LIST_THING_GROUPS_FOR_THING] = {"ListThingGroupsForThing", "GET",
        "/things/{}/thing-groups", 10, "thingGroups", JSON_ARRAY, false},
    [AWS_LIST_THING_PRINCIPALS] = {"ListThingPrincipals", "GET", "/things/{}/principals", 10,
        "principals", JSON_ARRAY, false},
    [AWS_REGISTER_CERTIFICATE_WITHOUT_CA] = {"RegisterCertificateWithoutCA", "POST",
        "/certificate/register-no-ca", 10, "certificateArn", JSON_STRING, false},
    [AWS_REGISTER_THING] = {"RegisterThing", "POST", "/things", 10, NULL, JSON_NULL, false},
    [AWS_REMOVE_THING_FROM_THING_GROUP] = {"RemoveThingFromThingGroup", "PUT",
        "/thing-groups/removeThingFromThingGroup", 15, NULL, JSON_NULL, false},
    [AWS_UPDATE_CERTIFICATE] = {"UpdateCertificate", "PUT", "/certificates/{}", 10, NULL, JSON_NULL,
        false},
    [AWS_UPDATE_THING] = {"UpdateThing", "PATCH", "/things/{}", 10, NULL, JSON_NULL, false},
};

const struct aws_form *aws_operation_form(enum aws_operation operation)
{
    return &operations[operation];
}

const char *aws_operation_name(enum aws_operation operation)
{
    return operations[operation].name;
}

enum aws_operation aws_operation_by_name(const char *name)
{
    int i = 0;

    while (i < AWS_OPERATIONS && strcmp(operations[i].name, name) != 0)
        i++;
    return (enum aws_operation)i;
}

double aws_default_rate(const char *operation)
{
    enum aws_operation found = aws_operation_by_name(operation);

    return found < AWS_OPERATIONS ? operations[found].rate : 0;
}
