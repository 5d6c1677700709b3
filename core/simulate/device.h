/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated device: its connection, from the first to the last. What it is about to do next
 * is its phase; what its connection is to become is its goal. All on the thread of its loop.
 */
#ifndef CORE_SIMULATE_DEVICE_H
#define CORE_SIMULATE_DEVICE_H

#include <iotify/transport.h>

#include "core/loop/loop.h"
#include "core/report/tally.h"
#include "core/script/script.h"
#include "core/simulate/device_phase.h"
#include "core/simulate/ledger.h"

/* How long what is in flight may take after the user asked to stop. */
#define DEVICE_HASTE (5 * SECOND)

struct simulate_loop;

/* What the device's connection is to become. */
enum device_goal {
    GOAL_ONLINE,  /* connected, or connected again */
    GOAL_OFFLINE, /* disconnected, because its script wants it so */
    GOAL_PARKED,  /* disconnected until a stage wants it back */
    GOAL_GONE     /* disconnected for good */
};

/* How far the device's call of message(), or of init() or finish(), has got. */
enum device_call {
    CALL_NONE,
    CALL_QUEUED,  /* message() is due, and runs with the next batch */
    CALL_WAITING, /* for a promise */
    CALL_ENDING   /* it has returned; what it asked for is in the queue of commands */
};

/* What the next message waits for besides its time. */
enum device_pace {
    PACE_TIME,       /* nothing */
    PACE_ANSWER,     /* an answer: there is no interval, and as much in flight as may be */
    PACE_ALL_ANSWERS /* all answers: closed pacing */
};

struct device {
    struct iotify_timer timer; /* first */
    struct simulate_loop *loop;
    struct device *next_due; /* while its message() is queued */
    void *session;
    struct ledger ledger;
    int64_t client;
    int64_t iteration;    /* the next */
    int64_t due;          /* when the next message is meant to go, without jitter */
    int64_t intended;     /* the same, with jitter */
    int64_t connected_at; /* when the current connection was ready; 0: there is none */
    int64_t draining_at;  /* when waiting for answers began; 0: it has not */
    uint64_t random;
    struct tally_device *trouble; /* messages that went astray; NULL: none did */
    int32_t attempts;             /* that failed in a row */
    uint32_t second, in_second;   /* messages in one second of the run, for the endpoint's limit */
    uint32_t commands;            /* of its scripts, that wait in the queue */
    uint8_t phase;                /* enum device_phase */
    uint8_t goal;                 /* enum device_goal */
    uint8_t call;                 /* enum device_call */
    uint8_t pace;                 /* enum device_pace */
    bool was_connected;
    bool starts_anew; /* its schedule begins with its next connection */
    bool script_live; /* init() has succeeded, and finish() has not run */
    bool dropped;     /* the connection was broken on purpose */
    bool absent;      /* its script has disconnected it during the current iteration */
    bool departing;   /* a queued command will disconnect it */
    bool complete;    /* its script says that it has sent all */
    bool spoiled;     /* a condition of the current iteration did not hold */
};

/* Of its functions that run now. */
struct script_turn device_turn(const struct device *device);
/* Its timer fires at this moment of the loop's clock. */
void device_wake_at(struct device *device, int64_t moment);
/* The counters of its loop. */
struct tally *device_tally(const struct device *device);
/* Has its script disconnected it, or is it doing so? */
bool device_is_away(const struct device *device);
/* Is there no message left that it may send? */
bool device_has_sent_all(const struct device *device);

/* Run init(), before all else. */
void device_init(struct device *device);
/* Take part, again where it was parked. */
void device_join(struct device *device);
/* Disconnect until device_join(). */
void device_park(struct device *device);
/* Break the connection, when there is one. */
void device_drop(struct device *device);
/* Begin nothing more. */
void device_end(struct device *device);
/* There is no more time: disconnect, whatever is in flight. */
void device_hurry(struct device *device);
/* The timer of the device, a struct device, has fired. */
void device_on_timer(void *device);
/* Everything was sent: wait for answers, then disconnect. */
void device_drain(struct device *device);
/* An answer came, or a call ended: is the wait over? */
void device_drained(struct device *device);
/* The script's wishes: disconnect, in good order or not; connect anew. */
void device_go_offline(struct device *device, bool clean);
void device_come_back(struct device *device);
/* A promise of init() or finish() is settled. */
void device_settled(struct device *device, enum script_function function, struct script_turn turn,
    const struct script_output *output);

/* Events of the transport; `user` is the struct device. */
void device_on_connected(void *user, const struct iotify_connect_times *times);
void device_on_closed(void *user, enum iotify_close reason, const char *text);

#endif
