/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugins/shared/aws/profile.h"

static char config[] = "/tmp/iotify-config-XXXXXX", credentials[] = "/tmp/iotify-creds-XXXXXX";

static void write_file(char *path, const char *text)
{
    int descriptor = mkstemp(path);
    FILE *stream = fdopen(descriptor, "w");

    fputs(text, stream);
    fclose(stream);
}

static int set_up(void **state)
{
    (void)state;
    write_file(config,
        "# comment\n[default]\nregion = us-east-1\n\n[profile dev]\n"
        "region=eu-west-1\ns3 =\n  region = nested\n[profile  wide ]\noutput = json\n"
        "[dev]\nregion = wrong\n");
    write_file(credentials, "[default]\naws_access_key_id = AKID\naws_secret_access_key=sec=ret/+\n"
                            "; comment\n[dev]\r\naws_access_key_id = DEVID \r\n");
    setenv("AWS_CONFIG_FILE", config, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", credentials, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(config);
    unlink(credentials);
    return 0;
}

static const char *get(enum profile_file file, const char *profile, const char *key)
{
    static struct iotify_buffer value;
    static char text[200];
    bool found;

    iotify_buffer_init(&value, 199);
    found = profile_get(file, profile, key, &value);
    snprintf(text, sizeof(text), "%s", iotify_buffer_text(&value));
    iotify_buffer_clear(&value);
    return found ? text : NULL;
}

static void reads_both_files(void **state)
{
    (void)state;
    assert_string_equal(get(PROFILE_CONFIG, "default", "region"), "us-east-1");
    assert_string_equal(get(PROFILE_CONFIG, "dev", "region"), "eu-west-1");
    assert_string_equal(get(PROFILE_CONFIG, "wide", "output"), "json");
    assert_string_equal(get(PROFILE_CREDENTIALS, "default", "aws_secret_access_key"), "sec=ret/+");
    assert_string_equal(get(PROFILE_CREDENTIALS, "dev", "aws_access_key_id"), "DEVID");
    assert_null(get(PROFILE_CREDENTIALS, "dev", "aws_secret_access_key"));
    assert_null(get(PROFILE_CREDENTIALS, "nobody", "aws_access_key_id"));
    assert_true(profile_exists("wide"));
    assert_false(profile_exists("nobody"));
}

static void chooses_the_profile(void **state)
{
    (void)state;
    unsetenv("AWS_PROFILE");
    assert_string_equal(profile_name(NULL), "default");
    setenv("AWS_PROFILE", "dev", 1);
    assert_string_equal(profile_name(NULL), "dev");
    assert_string_equal(profile_name("wide"), "wide");
    unsetenv("AWS_PROFILE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_files), cmocka_unit_test(chooses_the_profile)};

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
