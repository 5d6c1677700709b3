/* SPDX-License-Identifier: Apache-2.0 */
#include <iotify/storage.h>

#include <string.h>

bool iotify_write_needs_current(const struct iotify_write *write)
{
    return write->kind == IOTIFY_WRITE_CREATE || write->kind == IOTIFY_WRITE_COMPARE_AND_SET ||
           write->kind == IOTIFY_WRITE_COMPARE_AND_DELETE;
}

bool iotify_write_removes(const struct iotify_write *write)
{
    return write->kind == IOTIFY_WRITE_DELETE || write->kind == IOTIFY_WRITE_COMPARE_AND_DELETE;
}

static bool storage_equal(struct iotify_bytes a, struct iotify_bytes b)
{
    return a.data && b.data && a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool iotify_write_decide(
    struct iotify_write *write, const struct iotify_write *previous, struct iotify_bytes current)
{
    write->result = IOTIFY_RESULT_OK;
    if (write->with_previous && previous && previous->result != IOTIFY_RESULT_OK)
        write->result = IOTIFY_RESULT_FAILED;
    else if (write->kind == IOTIFY_WRITE_CREATE && current.data)
        write->result = IOTIFY_RESULT_EXISTS;
    else if ((write->kind == IOTIFY_WRITE_COMPARE_AND_SET ||
                 write->kind == IOTIFY_WRITE_COMPARE_AND_DELETE) &&
             !storage_equal(current, write->expected))
        write->result = IOTIFY_RESULT_CONFLICT;
    return write->result == IOTIFY_RESULT_OK;
}
