/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared files of the AWS SDKs: ~/.aws/config and ~/.aws/credentials. Any thread; reads the
 * files at each call.
 */
#ifndef PLUGINS_SHARED_AWS_PROFILE_H
#define PLUGINS_SHARED_AWS_PROFILE_H

#include <stdbool.h>

#include <iotify/buffer.h>

enum profile_file { PROFILE_CONFIG, PROFILE_CREDENTIALS };

/*
 * Read one value of a profile into `value`: section `[profile NAME]` of the config file, `[NAME]`
 * of the credentials file, `[default]` in both. False when file, profile or key does not exist.
 * AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name the files; the default is in ~/.aws.
 */
bool profile_get(
    enum profile_file file, const char *profile, const char *key, struct iotify_buffer *value);
/* True when one of the two files has the profile. */
bool profile_exists(const char *profile);
/* The profile to use: `given`, else AWS_PROFILE, else "default". */
const char *profile_name(const char *given);

#endif
