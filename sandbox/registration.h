/* RegisterThing, an operation of its own size. */
#ifndef SANDBOX_REGISTRATION_H
#define SANDBOX_REGISTRATION_H

#include "sandbox/operation.h"

void register_thing(const struct request *request, struct response *response);

#endif
