/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "plugins/shared/aws/sigv4.h"

/* The worked example of AWS's documentation of Signature Version 4. */
static void published_example(void **state)
{
    static const struct sigv4_header headers[] = {
        {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
        {"Host", "iam.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}};
    const struct sigv4_request request = {"GET", "/", "Action=ListUsers&Version=2010-05-08",
        headers, 3, NULL, 0, "20150830T123600Z", "us-east-1", "iam"};
    struct iotify_buffer names;
    char signature[SIGV4_SIGNATURE_SIZE];

    (void)state;
    iotify_buffer_init(&names, 1000);
    assert_true(
        sigv4_sign(&request, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", signature, &names));
    assert_string_equal(iotify_buffer_text(&names), "content-type;host;x-amz-date");
    assert_string_equal(
        signature, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    iotify_buffer_clear(&names);
}

static const char *canonical(const char *path, const char *query, const char *value)
{
    static struct iotify_buffer out;
    const struct sigv4_header headers[] = {{"X-B", value}, {"Host", "h"}};
    const struct sigv4_request request = {
        "PUT", path, query, headers, 2, "", 0, "20150830T123600Z", "r", "s"};

    iotify_buffer_clear(&out);
    iotify_buffer_init(&out, 10000);
    assert_true(sigv4_canonical(&request, &out));
    return iotify_buffer_text(&out);
}

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void canonical_forms(void **state)
{
    (void)state;
    /* A path that is encoded on the wire is encoded once more. */
    assert_string_equal(canonical("/things/a%3Ab_c-1", "", "v"),
        "PUT\n/things/a%253Ab_c-1\n\nhost:h\nx-b:v\n\nhost;x-b\n" EMPTY);
    /* Sorted by name, then value; flags without a value get an equals sign. */
    assert_string_equal(canonical("/", "b=2&a=z&a=b&flag&A=1&ab=1", "v"),
        "PUT\n/\nA=1&a=b&a=z&ab=1&b=2&flag=\nhost:h\nx-b:v\n\nhost;x-b\n" EMPTY);
    /* The encoding of the sender does not matter. */
    assert_string_equal(canonical("/", "m=a%2fb%7Ec+d&n=%41", "v"),
        "PUT\n/\nm=a%2Fb~c%20d&n=A\nhost:h\nx-b:v\n\nhost;x-b\n" EMPTY);
    assert_string_equal(
        canonical("", "", "  a   b \t c  "), "PUT\n/\n\nhost:h\nx-b:a b c\n\nhost;x-b\n" EMPTY);
    assert_string_equal(canonical("/", "", ""), "PUT\n/\n\nhost:h\nx-b:\n\nhost;x-b\n" EMPTY);
    canonical("/", "", "v");
}

static void encodes(void **state)
{
    struct iotify_buffer out;

    (void)state;
    iotify_buffer_init(&out, 1000);
    sigv4_encode("aZ9-_.~ /:+=,@%ü", false, &out);
    assert_string_equal(iotify_buffer_text(&out), "aZ9-_.~%20%2F%3A%2B%3D%2C%40%25%C3%BC");
    iotify_buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_example),
        cmocka_unit_test(canonical_forms), cmocka_unit_test(encodes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
