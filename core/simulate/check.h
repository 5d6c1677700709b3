/* What checking a simulate step and running it both need to know. */
#ifndef CORE_SIMULATE_CHECK_H
#define CORE_SIMULATE_CHECK_H

#include "core/job/job.h"

/* A path as the user would write it: without the job file's folder. */
const char *check_shown(const struct job *job, const char *path);
/* How many clients take part. */
int64_t check_clients_of(const struct job *job, const struct step *step);

#endif
