/* SPDX-License-Identifier: Apache-2.0 */
/* The diagram in docs/simulation.md shows the transitions that the table allows, and no others. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "core/simulate/device_phase.h"

static const char *document;

static int phase_by_name(const char *name)
{
    for (int i = 0; i < PHASES; i++)
        if (strcmp(device_phase_name((enum device_phase)i), name) == 0)
            return i;
    return -1;
}

static void diagram_is_the_table(void **state)
{
    bool drawn[PHASES][PHASES] = {0};
    FILE *file = fopen(document, "r");
    char line[256], from[32], to[32];

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, " %31[a-z] --> %31[a-z]", from, to) != 2)
            continue;
        assert_true(phase_by_name(from) >= 0);
        assert_true(phase_by_name(to) >= 0);
        assert_false(drawn[phase_by_name(from)][phase_by_name(to)]);
        drawn[phase_by_name(from)][phase_by_name(to)] = true;
    }
    fclose(file);
    for (int i = 0; i < PHASES; i++)
        for (int k = 0; k < PHASES; k++)
            if (drawn[i][k] != device_phase_allows((enum device_phase)i, (enum device_phase)k))
                fail_msg("%s --> %s is only in the %s", device_phase_name((enum device_phase)i),
                    device_phase_name((enum device_phase)k), drawn[i][k] ? "diagram" : "table");
}

static void each_phase_can_be_reached_and_left(void **state)
{
    (void)state;
    for (int i = 0; i < PHASES; i++) {
        bool entered = i == PHASE_WAITING, left = i == PHASE_DONE;

        for (int k = 0; k < PHASES; k++) {
            entered |= device_phase_allows((enum device_phase)k, (enum device_phase)i);
            left |= device_phase_allows((enum device_phase)i, (enum device_phase)k);
        }
        assert_true(entered);
        assert_true(left);
    }
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(diagram_is_the_table),
        cmocka_unit_test(each_phase_can_be_reached_and_left)};

    assert_int_equal(count, 2);
    document = arguments[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
