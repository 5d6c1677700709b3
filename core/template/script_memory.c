/* How much memory a machine takes, and when that is too much. */
#include <stdio.h>
#include <unistd.h>

#include "core/template/script_machine.h"

/* Exported by the library and in no public header: sizes by name. Walks the heap. */
extern JSObjectRef JSGetMemoryUsageStatistics(JSContextRef context);

/* Bytes of the process in memory; 0: not known. */
static int64_t resident(void)
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

bool script_grows(struct script *script)
{
    return script->facts.memory_limit > 0 &&
           resident() - script->resident > script->facts.memory_limit;
}

static int64_t heap_size(struct script *script)
{
    JSObjectRef sizes = JSGetMemoryUsageStatistics(script->context);
    JSValueRef heap = script_property(script->context, sizes, "heapSize");
    JSValueRef extra = script_property(script->context, sizes, "extraMemorySize");

    return (int64_t)(JSValueToNumber(script->context, heap, NULL) +
                     JSValueToNumber(script->context, extra, NULL));
}

bool script_too_large(struct script *script, int64_t *bytes)
{
    int64_t limit = script->facts.memory_limit;

    script->resident = resident();
    /* No machine is larger than the process; and measuring is dear, so only after some growth. */
    if (limit <= 0 || script->resident < limit || script->resident - script->measured < limit / 16)
        return false;
    script->measured = script->resident;
    JSGarbageCollect(script->context);
    *bytes = heap_size(script);
    return *bytes > limit;
}
