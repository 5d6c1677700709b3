/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/loop/loop.h"

/* The name server, instead of libc's. */
#define INSTEAD_OF_LIBC __attribute__((visibility("default")))
static atomic_int lookups, last_byte;
static sem_t asked, released; /* for a name that gets no answer until it is released */

INSTEAD_OF_LIBC int getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in));
    struct sockaddr_in *address = (struct sockaddr_in *)(void *)(info + 1);

    (void)service, (void)hints;
    if (strcmp(name, "silent.example") == 0) {
        sem_post(&asked);
        sem_wait(&released);
    }
    lookups++;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)last_byte);
    *info = (struct addrinfo){.ai_family = AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_addrlen = sizeof(*address),
        .ai_addr = (struct sockaddr *)address};
    *found = info;
    return 0;
}

INSTEAD_OF_LIBC void freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

static struct loop loop;
static char answer[64];

static void on_resolved(void *argument, const char *address, const char *error)
{
    (void)argument;
    snprintf(answer, sizeof(answer), "%s", address ? address : error);
    loop_stop(&loop);
}

static const char *resolve(void)
{
    loop.stopped = false;
    loop.base.resolve(&loop.base, "broker.example", on_resolved, NULL);
    loop_run(&loop);
    return answer;
}

static void on_woken(void *argument)
{
    (void)argument;
}

static const struct loop_owner owner = {.woken = on_woken};

/* Addresses are cached, until one of them fails; then they are looked up once per second. */
static void looks_up_again_after_a_failure(void **state)
{
    int64_t began;

    (void)state;
    assert_true(loop_init(&loop, &owner, NULL));
    assert_string_equal(resolve(), "127.0.0.1");
    last_byte = 1;
    assert_string_equal(resolve(), "127.0.0.1");
    assert_int_equal(lookups, 1);
    began = clock_now();
    while (strcmp(resolve(), "127.0.0.2") != 0 && clock_now() < began + 30 * SECOND)
        loop_doubt_addresses(&loop);
    assert_string_equal(resolve(), "127.0.0.2");
    assert_int_equal(lookups, 2);
    loop_clear(&loop);
}

/* Two sessions wait for one name; the first one's answer takes the second one away. */
static struct iotify_lookup *second;

static void on_first(void *argument, const char *address, const char *error)
{
    on_resolved(argument, address, error);
    loop.base.resolve_cancel(second);
}

static void on_second(void *argument, const char *address, const char *error)
{
    (void)argument, (void)address, (void)error;
    fail_msg("a lookup that was cancelled has an answer");
}

static void cancels_a_lookup(void **state)
{
    (void)state;
    assert_true(loop_init(&loop, &owner, NULL));
    loop.base.resolve(&loop.base, "broker.example", on_first, NULL);
    second = loop.base.resolve(&loop.base, "broker.example", on_second, NULL);
    loop_run(&loop);
    loop_clear(&loop);
}

/* A stop does not wait for a name server; its answer may come later, or never. */
static void does_not_wait_for_an_answer(void **state)
{
    (void)state;
    sem_init(&asked, 0, 0);
    sem_init(&released, 0, 0);
    answer[0] = '\0';
    for (int turn = 0; turn < 2; turn++) {
        struct iotify_lookup *lookup;

        assert_true(loop_init(&loop, &owner, NULL));
        lookup = loop.base.resolve(&loop.base, "silent.example", on_resolved, NULL);
        sem_wait(&asked);
        /* In the second round, the look-up may end while the loop is being cleared. */
        if (turn == 1)
            sem_post(&released);
        loop.base.resolve_cancel(lookup);
        loop_clear(&loop);
        assert_string_equal(answer, "");
        sem_post(&released);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(looks_up_again_after_a_failure),
        cmocka_unit_test(cancels_a_lookup), cmocka_unit_test(does_not_wait_for_an_answer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
