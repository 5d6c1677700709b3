/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a machine takes, and when that is too much. */
#include <stdio.h>
#include <unistd.h>

#include "core/script/script_context.h"

/* A machine is too large when it is found so often, one time after the other. */
#define TIMES_LARGE 3

/* Exported by the library and in no public header: sizes by name. Walks the heap. */
extern JSObjectRef JSGetMemoryUsageStatistics(JSContextRef context);

/* Bytes of the process in memory; 0: not known. */
static int64_t script_memory_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long long pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* `what`: "heapSize", what is in use, or "heapCapacity", with what is not collected yet. */
static int64_t script_memory_heap_size(struct script *script, const char *what)
{
    JSObjectRef sizes = JSGetMemoryUsageStatistics(script->context);
    JSValueRef heap = script_property(script->context, sizes, what);
    JSValueRef extra = script_property(script->context, sizes, "extraMemorySize");

    return (int64_t)(JSValueToNumber(script->context, heap, NULL) +
                     JSValueToNumber(script->context, extra, NULL));
}

bool script_grows(struct script *script)
{
    int64_t limit = script->facts.memory_limit, now;

    if (limit <= 0)
        return false;
    now = script_memory_resident();
    if (now - script->resident <= limit)
        return false;
    /* That may have been another loop. */
    if (script_memory_heap_size(script, "heapCapacity") > limit)
        return true;
    script->resident = now;
    return false;
}

bool script_too_large(struct script *script, int64_t *bytes)
{
    int64_t limit = script->facts.memory_limit;

    script->resident = script_memory_resident();
    /* No machine is larger than the process; and measuring is dear, so only after some growth. */
    if (limit <= 0 || script->resident < limit || script->resident - script->measured < limit / 16)
        return false;
    script->measured = script->resident;
    JSGarbageCollect(script->context);
    *bytes = script_memory_heap_size(script, "heapSize");
    if (*bytes <= limit) {
        script->times_large = 0;
        return false;
    }
    /* What a function held that was stopped may still stand on the stack: it goes with the next. */
    script->measured = 0;
    return ++script->times_large >= TIMES_LARGE;
}
