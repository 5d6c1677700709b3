/* SPDX-License-Identifier: Apache-2.0 */
/* What the loop does for transports: descriptors, calls of other threads, the log. */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop/loop.h"

static struct loop loop;
static char logged[100];
static void *logged_for;

static void on_woken(void *argument)
{
    (void)argument;
}

static void on_log(void *argument, void *user, enum iotify_level level, const char *text)
{
    (void)argument;
    logged_for = user;
    snprintf(logged, sizeof(logged), "%d %s", (int)level, text);
}

static const struct loop_owner owner = {.woken = on_woken, .log = on_log};

static int set_up(void **state)
{
    (void)state;
    assert_true(loop_init(&loop, &owner, NULL));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_clear(&loop);
    return 0;
}

static int events_seen, times_called;

static void on_ready(void *argument, int events)
{
    (void)argument;
    events_seen |= events;
    times_called++;
}

static void on_end(void *argument)
{
    (void)argument;
    loop_stop(&loop);
}

/* Run for some turns: a watch that spins is called in each. */
static void run_a_while(void)
{
    struct iotify_timer *end = loop.base.timer_new(&loop.base, on_end, NULL);

    events_seen = times_called = 0;
    loop.base.timer_start(end, 50000000);
    loop_run(&loop);
    loop.base.timer_free(end);
}

/* A watch that does not ask to read is left alone when the peer has sent its last byte. */
static void reports_only_what_is_asked_for(void **state)
{
    int pair[2];
    struct iotify_watch *watch;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watch = loop.base.watch(&loop.base, pair[0], 0, on_ready, NULL);
    assert_non_null(watch);
    shutdown(pair[1], SHUT_WR);
    run_a_while();
    assert_int_equal(times_called, 0);
    loop.base.rewatch(watch, IOTIFY_EVENT_READABLE);
    run_a_while();
    assert_int_equal(events_seen, IOTIFY_EVENT_READABLE);
    /* An error is always reported. */
    loop.base.rewatch(watch, 0);
    close(pair[1]);
    run_a_while();
    assert_int_equal(events_seen, IOTIFY_EVENT_ERROR);
    loop.base.unwatch(watch);
    close(pair[0]);
}

#define POSTS 1000

static int posted[POSTS], count;
static pthread_t loop_thread;

static void on_posted(void *argument)
{
    assert_true(pthread_equal(pthread_self(), loop_thread));
    posted[count++] = *(int *)argument;
    if (count == POSTS)
        loop_stop(&loop);
}

static void *post_all(void *argument)
{
    for (int i = 0; i < POSTS; i++)
        loop.base.post(&loop.base, on_posted, (int *)argument + i);
    return NULL;
}

static void runs_posts_in_order(void **state)
{
    static int numbers[POSTS];
    pthread_t thread;

    (void)state;
    loop_thread = pthread_self();
    for (int i = 0; i < POSTS; i++)
        numbers[i] = i;
    count = 0;
    assert_int_equal(pthread_create(&thread, NULL, post_all, numbers), 0);
    loop_run(&loop);
    pthread_join(thread, NULL);
    assert_memory_equal(posted, numbers, sizeof(numbers));
    /* What is posted and not run any more is freed. */
    loop.base.post(&loop.base, on_posted, numbers);
}

static void logs_for_the_owner(void **state)
{
    int user;

    (void)state;
    loop.base.log(&loop.base, &user, IOTIFY_LOG_WARNING, "%s %d", "number", 7);
    assert_string_equal(logged, "1 number 7");
    assert_ptr_equal(logged_for, &user);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reports_only_what_is_asked_for), CASE(runs_posts_in_order), CASE(logs_for_the_owner)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
