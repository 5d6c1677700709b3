/* SPDX-License-Identifier: Apache-2.0 */
/* The effective job as text, for --print and to tell whether two runs were of the same. Main
 * thread. */
#ifndef CORE_CLI_JOB_TEXT_H
#define CORE_CLI_JOB_TEXT_H

#include "core/job/job.h"

/*
 * Write the job with all defaults, and with the transports that templates use without an alias.
 * The caller clears the text.
 */
void job_text_format(const struct job *job, struct iotify_buffer *text);
/* The digest of that text, in the arena: the same wherever the job's folder is. */
const char *job_text_digest(const struct job *job, struct arena *arena);

#endif
