/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "core/base/suggest.h"

static const char *nearest(const char *word)
{
    static const char *const names[] = {"region", "profile", "endpoint", "quotas", "use"};
    static struct suggest suggest;

    suggest_init(&suggest, word);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        suggest_offer(&suggest, names[i]);
    return *suggest.best ? suggest.best : NULL;
}

static void finds_typing_errors(void **state)
{
    (void)state;
    assert_string_equal(nearest("regoin"), "region");
    assert_string_equal(nearest("regio"), "region");
    assert_string_equal(nearest("prifile"), "profile");
    assert_string_equal(nearest("endpoints"), "endpoint");
    assert_string_equal(nearest("ues"), "use");
}

static void leaves_strangers_alone(void **state)
{
    char longest[300];

    (void)state;
    assert_null(nearest("zone"));
    assert_null(nearest(""));
    assert_null(nearest("a"));
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i + 1 < sizeof(longest) ? 'r' : '\0';
    assert_null(nearest(longest));
}

/* A candidate that does not fit is never the hint, however long the word is. */
static void leaves_long_candidates(void **state)
{
    char word[512], candidate[200];
    struct suggest suggest;

    (void)state;
    memset(word, 'r', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    memset(candidate, 'q', sizeof(candidate) - 1);
    candidate[sizeof(candidate) - 1] = '\0';
    suggest_init(&suggest, word);
    suggest_offer(&suggest, candidate);
    assert_string_equal(suggest.best, "");
    assert_string_equal(suggest_hint(&suggest, "none"), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_typing_errors),
        cmocka_unit_test(leaves_strangers_alone), cmocka_unit_test(leaves_long_candidates)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
