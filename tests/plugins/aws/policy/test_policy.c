/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "check.h"
#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/service_quotas.h"
#include "plugins/aws/policy/policy.h"
#include "plugins/aws/policy/policy_compare.h"

#define ARN "arn:aws:iot:eu-central-1:123456789012:"

static const char *variable(void *argument, const char *name)
{
    static const char *const known[][2] = {{"iot:ClientId", "dev*1"},
        {"iot:Connection.Thing.IsAttached", "true"}, {"aws:SourceIp", "10.1.2.3"},
        {"aws:EpochTime", "1800000000"}, {"aws:SecureTransport", "true"}, {"word", "word"}};

    (void)argument;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcasecmp(known[i][0], name) == 0)
            return known[i][1];
    return NULL;
}

/* The verdict of one statement, given without its braces. */
static enum policy_verdict ask_version(
    const char *version, const char *statement, const char *action, const char *resource)
{
    const struct policy_context context = {variable, NULL};
    char document[2048], why[200] = "", arn[512];
    struct policy *policy;
    enum policy_verdict verdict;

    snprintf(document, sizeof(document), "{\"Version\":\"%s\",\"Statement\":[{%s}]}", version,
        statement);
    policy = policy_parse(document, why, sizeof(why));
    if (!policy)
        fail_msg("%s: %s", document, why);
    snprintf(arn, sizeof(arn), ARN "%s", resource);
    verdict = policy_evaluate(policy, action, arn, &context);
    policy_free(policy);
    return verdict;
}

static enum policy_verdict ask(const char *statement, const char *action, const char *resource)
{
    return ask_version("2012-10-17", statement, action, resource);
}

#define ALLOW(action, resource)                                                                    \
    "\"Effect\":\"Allow\",\"Action\":\"" action "\",\"Resource\":\"" ARN resource "\""

static void wildcards(void **state)
{
    (void)state;
    static const struct {
        const char *statement, *action, *resource;
        bool allows;
    } cases[] = {
        {.statement = ALLOW("iot:Publish", "topic/a"),
            .action = "iot:Publish",
            .resource = "topic/a",
            .allows = true},
        {.statement = ALLOW("iot:Publish", "topic/a"),
            .action = "iot:Publish",
            .resource = "topic/ab"},
        {.statement = ALLOW("iot:Publish", "topic/a"),
            .action = "iot:Subscribe",
            .resource = "topic/a"},
        {.statement = ALLOW("iot:*", "topic/a*"),
            .action = "iot:Publish",
            .resource = "topic/a/b/c",
            .allows = true},
        {.statement = ALLOW("IOT:pub*", "topic/a"),
            .action = "iot:Publish",
            .resource = "topic/a",
            .allows = true},
        {.statement = ALLOW("*", "topic/A"), .action = "iot:Publish", .resource = "topic/a"},
        {.statement = ALLOW("*", "topic/a?c"),
            .action = "iot:Publish",
            .resource = "topic/abc",
            .allows = true},
        {.statement = ALLOW("*", "topic/a?c"), .action = "iot:Publish", .resource = "topic/ac"},
        {.statement = ALLOW("*", "topic/*b*d"),
            .action = "iot:Publish",
            .resource = "topic/abcbd",
            .allows = true},
        {.statement = ALLOW("*", "topic/*b*d"),
            .action = "iot:Publish",
            .resource = "topic/abcbde"},
        /* MQTT's own wildcards are ordinary characters. */
        {.statement = ALLOW("*", "topicfilter/a/#"),
            .action = "iot:Subscribe",
            .resource = "topicfilter/a/#",
            .allows = true},
        {.statement = ALLOW("*", "topicfilter/a/#"),
            .action = "iot:Subscribe",
            .resource = "topicfilter/a/b"},
        {.statement = ALLOW("*", "topicfilter/a/+/c"),
            .action = "iot:Subscribe",
            .resource = "topicfilter/a/b/c"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if ((ask(cases[i].statement, cases[i].action, cases[i].resource) == POLICY_ALLOWS) !=
            cases[i].allows)
            fail_msg("%s with %s on %s", cases[i].statement, cases[i].action, cases[i].resource);
}

static void variables(void **state)
{
    static const char client[] = ALLOW("*", "client/${iot:ClientId}");

    (void)state;
    assert_int_equal(ask(client, "iot:Connect", "client/dev*1"), POLICY_ALLOWS);
    /* A star in a variable's value is a literal star. */
    assert_int_equal(ask(client, "iot:Connect", "client/dev-1"), POLICY_SILENT);
    /* A variable without a value matches nothing. */
    assert_int_equal(
        ask(ALLOW("*", "topic/${iot:Nothing}*"), "iot:Publish", "topic/"), POLICY_SILENT);
    assert_int_equal(ask(ALLOW("*", "topic/${*}"), "iot:Publish", "topic/*"), POLICY_ALLOWS);
    assert_int_equal(ask(ALLOW("*", "topic/${*}"), "iot:Publish", "topic/x"), POLICY_SILENT);
    /* The older version of the language has no variables. */
    assert_int_equal(
        ask_version("2008-10-17", client, "iot:Connect", "client/dev*1"), POLICY_SILENT);
    assert_int_equal(
        ask_version("2008-10-17", client, "iot:Connect", "client/${iot:ClientId}"), POLICY_ALLOWS);
}

static void negations(void **state)
{
    static const char others[] =
        "\"Effect\":\"Deny\",\"NotAction\":\"iot:Connect\",\"NotResource\":\"" ARN "topic/free\"";

    (void)state;
    assert_int_equal(ask(others, "iot:Publish", "topic/a"), POLICY_DENIES);
    assert_int_equal(ask(others, "iot:Publish", "topic/free"), POLICY_SILENT);
    assert_int_equal(ask(others, "iot:Connect", "topic/a"), POLICY_SILENT);
}

static void conditions(void **state)
{
    static const struct {
        const char *condition;
        bool holds;
    } cases[] = {
        {.condition = "{\"Bool\":{\"iot:Connection.Thing.IsAttached\":[\"true\"]}}", .holds = true},
        {.condition = "{\"Bool\":{\"iot:Connection.Thing.IsAttached\":false}}"},
        {.condition = "{\"StringEquals\":{\"word\":[\"other\",\"word\"]}}", .holds = true},
        {.condition = "{\"StringEquals\":{\"word\":\"WORD\"}}"},
        {.condition = "{\"StringEqualsIgnoreCase\":{\"word\":\"WORD\"}}", .holds = true},
        {.condition = "{\"StringNotEquals\":{\"word\":[\"other\",\"word\"]}}"},
        {.condition = "{\"StringLike\":{\"word\":\"w*\"}}", .holds = true},
        {.condition = "{\"StringLike\":{\"nothing\":\"*\"}}"},
        {.condition = "{\"StringNotLike\":{\"nothing\":\"*\"}}", .holds = true},
        {.condition = "{\"StringLikeIfExists\":{\"nothing\":\"x\"}}", .holds = true},
        {.condition = "{\"Null\":{\"nothing\":\"true\"}}", .holds = true},
        {.condition = "{\"Null\":{\"word\":\"true\"}}"},
        {.condition = "{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}", .holds = true},
        {.condition = "{\"IpAddress\":{\"aws:SourceIp\":\"10.2.0.0/16\"}}"},
        {.condition = "{\"NotIpAddress\":{\"aws:SourceIp\":\"10.2.0.0/16\"}}", .holds = true},
        {.condition = "{\"NumericLessThan\":{\"aws:EpochTime\":\"1800000001\"}}", .holds = true},
        {.condition = "{\"NumericLessThan\":{\"aws:EpochTime\":\"1800000000\"}}"},
        {.condition = "{\"NumericLessThanEquals\":{\"aws:EpochTime\":\"1800000000\"}}",
            .holds = true},
        {.condition = "{\"NumericGreaterThanEquals\":{\"word\":\"1\"}}"},
        {.condition = "{\"NumericGreaterThanEquals\":{\"nothing\":\"1\"}}"},
        {.condition = "{\"NumericGreaterThanEquals\":{\"aws:EpochTime\":[\"1\",\"9e9\"]}}",
            .holds = true},
        {.condition = "{\"NumericLessThan\":{\"aws:EpochTime\":1800000001}}", .holds = true},
        {.condition = "{\"DateLessThanEquals\":{\"aws:EpochTime\":\"2020-01-01T00:00:00.000Z\"}}"},
        {.condition = "{\"DateLessThanEquals\":{\"aws:EpochTime\":\"2020-01-01T00:00:00+00:00\"}}"},
        {.condition = "{\"DateEquals\":{\"aws:EpochTime\":\"2027-01-15T10:00:00.5+02:00\"}}",
            .holds = true},
        {.condition = "{\"DateLessThanEquals\":{\"aws:EpochTime\":\"tomorrow\"}}"},
        {.condition = "{\"NumericNotEquals\":{\"aws:EpochTime\":\"x\"}}"},
        {.condition = "{\"NotIpAddress\":{\"aws:SourceIp\":\"10.0.0.0/33\"}}"},
        {.condition = "{\"StringNotEquals\":{\"word\":\"${iot:Nothing}\"}}"},
        {.condition = "{\"DateGreaterThan\":{\"aws:EpochTime\":\"2026-01-01T00:00:00Z\"}}",
            .holds = true},
        {.condition = "{\"DateLessThan\":{\"aws:EpochTime\":\"2026-01-01\"}}"},
        {.condition =
                "{\"Bool\":{\"aws:SecureTransport\":\"true\"},\"StringEquals\":{\"word\":\"x\"}}"},
    };
    char statement[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(
            statement, sizeof(statement), ALLOW("*", "*") ",\"Condition\":%s", cases[i].condition);
        if ((ask(statement, "iot:Connect", "client/a") == POLICY_ALLOWS) != cases[i].holds)
            fail_msg("%s", cases[i].condition);
    }
}

/* A statement that cannot be decided never allows, and always denies. */
static void undecided(void **state)
{
    static const char condition[] =
        "\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{\"NumericLessThan\":"
        "{\"aws:EpochTime\":\"x\"}}";
    char statement[512];

    (void)state;
    snprintf(statement, sizeof(statement), "\"Effect\":\"Allow\",%s", condition);
    assert_int_equal(ask(statement, "iot:Connect", "client/a"), POLICY_SILENT);
    snprintf(statement, sizeof(statement), "\"Effect\":\"Deny\",%s", condition);
    assert_int_equal(ask(statement, "iot:Connect", "client/a"), POLICY_DENIES);
}

static void an_explicit_deny_wins(void **state)
{
    static const char document[] = "{\"Version\":\"2012-10-17\",\"Statement\":[{" ALLOW(
        "iot:*", "*") "},{\"Effect\":\"Deny\","
                      "\"Action\":\"iot:Publish\",\"Resource\":\"" ARN
                      "topic/a*\"},{" ALLOW("*", "topic/ab") "}]}";
    const struct policy_context context = {variable, NULL};
    char why[200];
    struct policy *policy = policy_parse(document, why, sizeof(why));

    (void)state;
    assert_non_null(policy);
    assert_int_equal(
        policy_evaluate(policy, "iot:Publish", ARN "topic/ab", &context), POLICY_DENIES);
    assert_int_equal(
        policy_evaluate(policy, "iot:Publish", ARN "topic/b", &context), POLICY_ALLOWS);
    policy_free(policy);
}

static void what_is_no_policy(void **state)
{
    static const char *const documents[] = {"", "[]", "{}", "{\"Version\":\"2012-10-17\"}",
        "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
        "{\"Version\":\"2013-10-17\",\"Statement\":[{" ALLOW("*", "*") "}]}",
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\"}]}",
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"allow\",\"Action\":\"*\","
        "\"Resource\":\"*\"}]}",
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[],"
        "\"Resource\":\"*\"}]}",
        "{\"Version\":\"2012-10-17\",\"Statement\":[{" ALLOW("*", "*") ",\"Condition\":{\"Equals\":"
                                                                       "{\"a\":\"b\"}}}]}",
        "{\"Version\":\"2012-10-17\",\"Statement\":[{" ALLOW("*", "*") ",\"Conditon\":{}}]}"};
    char why[200];

    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        *why = '\0';
        assert_null(policy_parse(documents[i], why, sizeof(why)));
        assert_true(*why);
    }
}

/* Pairs of documents that state the same, and pairs that do not. */
#define STATEMENT(action, resource)                                                                \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":" action           \
    ",\"Resource\":" resource "}}"

static void documents_are_compared_by_meaning(void **state)
{
    static const struct {
        const char *one, *other;
        bool same;
    } pairs[] = {
        {.one = STATEMENT("\"a\"", "\"r\""), .other = STATEMENT("\"a\"", "\"r\""), .same = true},
        {.one = STATEMENT("\"a\"", "\"r\""),
            .other = STATEMENT("[\"a\"]", "[\"r\"]"),
            .same = true},
        {.one = STATEMENT("[\"a\",\"b\"]", "[\"r\",\"s\"]"),
            .other = STATEMENT("[\"b\",\"a\",\"b\"]", "[\"s\",\"r\"]"),
            .same = true},
        {.one = "{\"Statement\":[{\"Effect\":\"Deny\"},{\"Effect\":\"Allow\"}],\"Version\":\"v\"}",
            .other =
                "{\"Version\":\"v\", \"Statement\":[{\"Effect\":\"Allow\"},{\"Effect\":\"Deny\"}]}",
            .same = true},
        {.one = "{\"Condition\":{\"Bool\":{\"k\":true}}}",
            .other = "{\"Condition\":{\"Bool\":{\"k\":[\"true\"]}}}",
            .same = true},
        {.one = STATEMENT("\"a\"", "\"r\""), .other = STATEMENT("\"a\"", "\"s\""), .same = false},
        {.one = STATEMENT("\"a\"", "\"r\""),
            .other = STATEMENT("[\"a\",\"b\"]", "\"r\""),
            .same = false},
        {.one = STATEMENT("\"a\"", "\"r\""), .other = STATEMENT("\"A\"", "\"r\""), .same = false},
        {.one = "{\"Condition\":{\"Bool\":{\"k\":true}}}",
            .other = "{\"Condition\":{\"Bool\":{\"k\":false}}}",
            .same = false},
        {.one = STATEMENT("\"a\"", "\"r\""), .other = "no JSON", .same = false},
        {.one = NULL, .other = NULL, .same = false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(policy_same(pairs[i].one, pairs[i].other), pairs[i].same);
        assert_int_equal(policy_same(pairs[i].other, pairs[i].one), pairs[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards),
        cmocka_unit_test(variables),
        cmocka_unit_test(negations),
        cmocka_unit_test(conditions),
        cmocka_unit_test(undecided),
        cmocka_unit_test(an_explicit_deny_wins),
        cmocka_unit_test(what_is_no_policy),
        cmocka_unit_test(documents_are_compared_by_meaning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
