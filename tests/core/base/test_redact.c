/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/redact.h"
#include "core/base/utf8.h"
#include "tests/growth.h"

#define BEGIN "-----BEGIN EC PRIVATE KEY-----"
#define END "-----END EC PRIVATE KEY-----"
#define BOTH "-----BEGIN EC PRIVATE KEY----------END EC PRIVATE KEY-----"

static void redacts_keys(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {.text = "", .shown = ""},
        {.text = "no key", .shown = "no key"},
        {.text = BEGIN "\nMHc\n" END "\n", .shown = "[redacted]\n"},
        {.text = "a " BEGIN "\\nMHc\\n" END " b " BEGIN "\nx\n" END " c",
            .shown = "a [redacted] b [redacted] c"},
        {.text = "a " BEGIN "\nMHc", .shown = "a [redacted]"},
        {.text = "a " BEGIN "\nMHc\n-----END EC", .shown = "a [redacted]"},
        {.text = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n" BEGIN "x" END,
            .shown = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n[redacted]"},
        {.text = "-----BEGIN a\n PRIVATE KEY-----", .shown = "-----BEGIN a\n PRIVATE KEY-----"},
        {.text = END " and more", .shown = END " and more"},
        {.text = "-----BEGIN -----BEGIN PRIVATE KEY-----x-----END -----y", .shown = "[redacted]y"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = strdup(cases[i].text);

        redact_keys(text);
        assert_string_equal(text, cases[i].shown);
        free(text);
    }
}

static void clean(char *text)
{
    utf8_clean(text);
}

static void cost_grows_with_the_text(void **state)
{
    static const char *const units[] = {"-----BEGIN ", "PRIVATE KEY-----", BEGIN, BOTH,
        "-----BEGIN \n", "-----END ", "\xff", "\xf0\x9f\x98", "\xc3\xa9"};

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        assert_grows_linearly(redact_keys, units[i], 320000);
        assert_grows_linearly(clean, units[i], 320000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redacts_keys), cmocka_unit_test(cost_grows_with_the_text)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
