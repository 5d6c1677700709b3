/* SPDX-License-Identifier: Apache-2.0 */
/* The shared files of the AWS SDKs: ~/.aws/config and ~/.aws/credentials. */
#ifndef PLUGINS_SHARED_AWS_PROFILE_H
#define PLUGINS_SHARED_AWS_PROFILE_H

#include <stdbool.h>

#include <iotify/buffer.h>

enum profile_file { PROFILE_CONFIG, PROFILE_CREDENTIALS };

/*
 * One value of a profile: `[profile NAME]` in the config file, `[NAME]` in the credentials file,
 * `[default]` in both. False when the file, the profile or the key is not there.
 * The files are those of AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else in ~/.aws.
 */
bool profile_get(
    enum profile_file file, const char *profile, const char *key, struct iotify_buffer *value);
/* Does either file have the profile? */
bool profile_exists(const char *profile);
/* The profile to use: `given`, else AWS_PROFILE, else "default". */
const char *profile_name(const char *given);

#endif
