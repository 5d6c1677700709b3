/* SPDX-License-Identifier: Apache-2.0 */
/* Measure the memory of a context and compare it with the limit. */
#include <stdio.h>
#include <unistd.h>

#include "core/script/script_internal.h"

/* A context is too large when this many checks in a row find it too large. */
#define TIMES_LARGE 3

/* Exported by the library but not in a public header: sizes by name. Walks the heap. */
extern JSObjectRef JSGetMemoryUsageStatistics(JSContextRef context);

/* Resident memory of the process in bytes; 0: unknown. */
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

/* `what` is "heapSize" (in use) or "heapCapacity" (including garbage). */
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
    /* The growth may be that of another loop. */
    if (script_memory_heap_size(script, "heapCapacity") > limit)
        return true;
    script->resident = now;
    return false;
}

bool script_too_large(struct script *script, int64_t *bytes)
{
    int64_t limit = script->facts.memory_limit;

    script->resident = script_memory_resident();
    /* A context is not larger than the process. Measuring is expensive, so it needs some growth. */
    if (limit <= 0 || script->resident < limit || script->resident - script->measured < limit / 16)
        return false;
    script->measured = script->resident;
    JSGarbageCollect(script->context);
    *bytes = script_memory_heap_size(script, "heapSize");
    if (*bytes <= limit) {
        script->times_large = 0;
        return false;
    }
    /*
     * The stack may still refer to the memory of a function that was ended; the next call frees it.
     */
    script->measured = 0;
    return ++script->times_large >= TIMES_LARGE;
}
