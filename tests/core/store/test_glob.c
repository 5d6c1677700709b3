/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/store/glob.h"
#include "tests/core/store/memory_store.h"

/* One store with two globs, as two runs have it. */
static struct registry registry;
static struct store *store;
static struct glob *one, *two;
static struct glob_port *port, *other;
static struct call call;
static struct arena arena;
static int woken;
enum { SEEN_SIZE = 16 };
static char *seen; /* what the view has of "k" when an answer arrives; NULL: do not look */

static void wake(void *argument)
{
    struct iotify_bytes value = {0};
    struct call own;

    (void)argument;
    if (seen) {
        call_init(&own, "test");
        if (glob_read(port, &own, "k", &value) == IOTIFY_RESULT_OK)
            snprintf(seen, SEEN_SIZE, "%s", (const char *)value.data);
        call_clear(&own);
    }
    __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
}

static int set_up(void **state)
{
    (void)state;
    store = memory_store(&registry, &arena);
    call_init(&call, "test");
    woken = 0;
    one = glob_new(store, "one", false);
    two = glob_new(store, "two", false);
    port = glob_port_new(one, wake, NULL);
    other = glob_port_new(two, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    glob_port_free(port);
    glob_port_free(other);
    glob_free(one);
    glob_free(two);
    store_close(store);
    call_clear(&call);
    registry_clear(&registry);
    arena_clear(&arena);
    return 0;
}

static struct iotify_bytes bytes(const char *text)
{
    return (struct iotify_bytes){text, text ? strlen(text) : 0};
}

static void ask(struct glob_port *at, enum glob_kind kind, uint64_t token, const char *key,
    const char *value, const char *expected, double number)
{
    const struct glob_request request = {kind, token, key, bytes(value), bytes(expected), number};

    assert_int_equal(glob_ask(at, &call, &request), IOTIFY_RESULT_OK);
}

static void put(struct glob_port *at, const char *key, const char *value)
{
    ask(at, value ? GLOB_PUT : GLOB_DELETE, 0, key, value, NULL, 0);
}

static const char *get(struct glob_port *at, const char *key)
{
    struct iotify_bytes out = {0};

    return glob_read(at, &call, key, &out) == IOTIFY_RESULT_OK ? out.data : "(absent)";
}

static struct glob_answer *answer(struct glob_port *at, enum glob_kind kind, const char *key)
{
    const struct glob_request request = {.kind = kind, .key = key};

    return glob_wait(at, &call, &request);
}

static void is_seen_at_once(void **state)
{
    (void)state;
    put(port, "a", "1");
    assert_string_equal(get(port, "a"), "1");
    put(port, "a", "2");
    put(port, "a", NULL);
    assert_string_equal(get(port, "a"), "(absent)");
    put(port, "a", "3");
    assert_string_equal(get(port, "a"), "3");
    glob_flush(one);
    assert_string_equal(get(other, "a"), "3");
    assert_string_equal(get(port, "a"), "3");
}

static void counts_who_waited(void **state)
{
    struct glob_account account;

    (void)state;
    get(port, "before");
    glob_count_blocking(one);
    get(port, "before");
    get(port, "x");
    get(port, "x");
    put(port, "y", "1");
    get(port, "y");
    glob_answer_free(answer(port, GLOB_COUNT, "mailbox/q/"));
    glob_account(one, &account);
    assert_int_equal(account.blocking, 2);
    glob_begin(one, "again");
    glob_account(one, &account);
    assert_int_equal(account.blocking, 0);
}

static void sees_what_others_write(void **state)
{
    (void)state;
    assert_string_equal(get(port, "k"), "(absent)");
    put(other, "k", "theirs");
    glob_flush(two);
    /* After one second the cached value is read again, in the background. */
    assert_string_equal(get(port, "k"), "(absent)");
    for (int i = 0; i < 100 && strcmp(get(port, "k"), "theirs") != 0; i++)
        usleep(50000);
    assert_string_equal(get(port, "k"), "theirs");
}

static void answers_in_order(void **state)
{
    struct glob_answer *all;
    uint64_t token = 0;

    (void)state;
    for (uint64_t i = 1; i <= 500; i++)
        ask(port, i % 3 ? GLOB_ADD : GLOB_PUT, i, i % 3 ? "n" : "p", i % 3 ? NULL : "v", NULL, 1);
    ask(port, GLOB_FLUSH, 501, "", NULL, NULL, 0);
    glob_flush(one);
    all = glob_take(port);
    for (struct glob_answer *each = all, *next; each; each = next) {
        next = each->next;
        assert_int_equal(each->token, ++token);
        assert_null(each->error);
        if (each->kind == GLOB_ADD)
            assert_int_equal((int)each->number, (int)(token - token / 3));
        glob_answer_free(each);
    }
    assert_int_equal(token, 501);
    assert_true(woken >= 1);
    assert_null(glob_take(port));
}

static void two_runs_count_together(void **state)
{
    struct glob_answer *last;

    (void)state;
    for (int i = 0; i < 300; i++) {
        ask(port, GLOB_ADD, 0, "n", NULL, NULL, 1);
        ask(other, GLOB_ADD, 0, "n", NULL, NULL, 1);
        ask(i % 2 ? port : other, GLOB_POST, 0, "mailbox/q/", "m", NULL, 0);
    }
    glob_flush(one);
    glob_flush(two);
    last = answer(port, GLOB_COUNT, "mailbox/q/");
    assert_int_equal((int)last->number, 300);
    glob_answer_free(last);
    for (int i = 0; i < 200; i++) {
        ask(port, GLOB_POP, 1, "mailbox/q/", NULL, NULL, 0);
        ask(other, GLOB_POP, 1, "mailbox/q/", NULL, NULL, 0);
    }
    glob_flush(one);
    glob_flush(two);
    last = answer(port, GLOB_GET, "n");
    assert_string_equal((const char *)last->value.data, "\001600");
    glob_answer_free(last);
    for (int i = 0, found = 0; i < 2; i++) {
        for (struct glob_answer *each = glob_take(i ? other : port), *next; each; each = next) {
            next = each->next;
            found += each->value.data != NULL;
            glob_answer_free(each);
        }
        if (i)
            assert_int_equal(found, 300);
    }
}

static void swaps_by_value(void **state)
{
    const char *const before = "\001{\"a\":1,\"b\":[2]}", *const same =
                                                              "\001{ \"b\":[2], \"a\":1 }";
    struct glob_answer *all;
    int swapped = 0;

    (void)state;
    ask(port, GLOB_SWAP, 1, "k", before, NULL, 0);
    ask(port, GLOB_SWAP, 2, "k", "x", NULL, 0);
    ask(port, GLOB_SWAP, 3, "k", "y", same, 0);
    ask(port, GLOB_SWAP, 4, "k", NULL, "y", 0);
    glob_flush(one);
    all = glob_take(port);
    for (struct glob_answer *each = all, *next; each; each = next) {
        next = each->next;
        swapped = swapped * 10 + each->swapped;
        glob_answer_free(each);
    }
    assert_int_equal(swapped, 1011);
    assert_string_equal(get(other, "k"), "(absent)");
}

/* The reader of an answer must not see an older value. */
static void answers_follow_the_view(void **state)
{
    char value[SEEN_SIZE] = "";

    (void)state;
    put(port, "k", "x");
    glob_flush(one);
    seen = value;
    ask(port, GLOB_SWAP, 1, "k", "y", "x", 0);
    glob_flush(one);
    seen = NULL;
    assert_string_equal(value, "y");
    glob_answer_free(glob_take(port));
}

static void reports_invalid_requests(void **state)
{
    char key[IOTIFY_KEY_MAX + 1];
    struct glob_request request = {.kind = GLOB_PUT, .key = key, .value = {"v", 1}};
    struct glob_answer *first;

    (void)state;
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(glob_ask(port, &call, &request), IOTIFY_RESULT_INVALID);
    assert_string_equal(call.message, "a glob key of 1024 bytes is too long; at most 1019 fit");
    put(port, "text", "no number");
    ask(port, GLOB_ADD, 7, "text", NULL, NULL, 1);
    glob_flush(one);
    first = glob_take(port);
    assert_string_equal(first->error, "glob.increment: the value of \"text\" is not a number");
    glob_answer_free(first);
}

static void looks_without_writing(void **state)
{
    struct glob *looking = glob_new(store, "looking", true);
    struct glob_port *eye = glob_port_new(looking, NULL, NULL);
    struct glob_answer *first;

    (void)state;
    put(eye, "a", "1");
    assert_string_equal(get(eye, "a"), "1");
    ask(eye, GLOB_ADD, 1, "n", NULL, NULL, 1);
    glob_flush(looking);
    first = glob_take(eye);
    assert_string_equal(first->error, "glob.increment: nothing is written here");
    glob_answer_free(first);
    glob_port_free(eye);
    glob_free(looking);
    assert_string_equal(get(port, "a"), "(absent)");
}

static void keeps_no_more_than_it_should(void **state)
{
    static char value[100000];
    struct glob_account account;
    char key[32];

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof(key), "big%d", i);
        put(port, key, value);
    }
    glob_flush(one);
    glob_count_blocking(one);
    get(port, "big299");
    get(port, "big0");
    glob_account(one, &account);
    /* The last value is cached; the first was evicted. */
    assert_int_equal(account.blocking, 1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(is_seen_at_once), CASE(counts_who_waited),
        CASE(sees_what_others_write), CASE(answers_in_order), CASE(two_runs_count_together),
        CASE(swaps_by_value), CASE(answers_follow_the_view), CASE(reports_invalid_requests),
        CASE(looks_without_writing), CASE(keeps_no_more_than_it_should)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
