/* prelude.js as a string, made by the build. */
#ifndef CORE_TEMPLATE_PRELUDE_H
#define CORE_TEMPLATE_PRELUDE_H

extern const char prelude_source[];

#endif
