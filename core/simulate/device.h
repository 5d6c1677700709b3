/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated device and its connections. Its phase says what it does now; its goal says which
 * state its connection is to reach. All on the thread of its loop.
 */
#ifndef CORE_SIMULATE_DEVICE_H
#define CORE_SIMULATE_DEVICE_H

#include <iotify/transport.h>

#include "core/loop/loop.h"
#include "core/report/tally.h"
#include "core/script/script.h"
#include "core/simulate/device_phase.h"
#include "core/simulate/ledger.h"

/* Time for what is in flight, or for finish(), when the device is to end soon. */
#define DEVICE_HASTE (5 * SECOND)

struct simulate_loop;

/* The state that the device's connection is to reach. */
enum device_goal {
    GOAL_ONLINE,  /* connected, and reconnected when the connection is lost */
    GOAL_OFFLINE, /* disconnected by its script */
    GOAL_PARKED,  /* disconnected until a stage needs it again */
    GOAL_GONE     /* disconnected for good */
};

/* State of the device's call of init(), message() or finish(). */
enum device_call {
    CALL_NONE,
    CALL_QUEUED,  /* message() is due, and runs with the next batch */
    CALL_WAITING, /* it returned a promise that is not settled yet */
    CALL_ENDING   /* message() has returned; its end is in the queue of commands */
};

/* What the next message waits for, besides its scheduled time. */
enum device_pace {
    PACE_TIME,        /* nothing */
    PACE_ANSWER,      /* an answer: without an interval, and with too much in flight */
    PACE_ALL_ANSWERS, /* all answers: closed pacing */
    PACE_SUSPECT      /* all answers: the server may hang up because of one of these messages */
};

struct device {
    struct iotify_timer timer; /* first */
    struct simulate_loop *loop;
    struct device *next_due; /* in the queue of devices whose message() is due */
    void *session;
    struct ledger ledger;
    int64_t client;
    int64_t iteration;    /* the current or next one */
    int64_t due;          /* scheduled time of the next message, without jitter; 0: none yet */
    int64_t intended;     /* the same, with jitter */
    int64_t connected_at; /* start of the current connection; 0: not connected */
    int64_t ready_at;     /* from when on the current connection may send */
    int64_t draining_at;  /* when it started to wait for answers; 0: it does not */
    uint64_t random;
    struct tally_device *trouble; /* its lost, duplicate, reordered and late messages; NULL: none */
    int32_t attempts;             /* failed connection attempts in a row */
    uint32_t second, in_second;   /* a second of the run, and messages sent in it */
    uint32_t commands;            /* queued commands of its scripts */
    uint32_t held;                /* messages that wait because the server asked for a pause */
    uint32_t given_up;            /* lost messages that the transport may still hold */
    uint8_t phase;                /* enum device_phase */
    uint8_t goal;                 /* enum device_goal */
    uint8_t call;                 /* enum device_call */
    uint8_t pace;                 /* enum device_pace */
    bool was_connected : 1;
    bool starts_anew : 1; /* its next connection starts a new schedule */
    bool script_live : 1; /* init() has succeeded, and finish() has not run */
    bool dropped : 1;     /* device_drop() breaks the connection, whose end is not reported yet */
    bool unreachable : 1; /* the last attempt to connect failed */
    bool absent : 1;      /* it was disconnected on purpose during the current iteration */
    bool departing : 1;   /* a queued disconnect() or reconnect() has not been carried out */
    bool complete : 1;    /* its script reported that it has sent all */
    bool spoiled : 1;     /* an assertion of the current iteration failed */
    bool renewed : 1;     /* its next connection needs a new session, which forgets messages */
    bool begun : 1;       /* message() of the current iteration has begun, and not ended */
    bool waited : 1;      /* message() of the current iteration has waited for a promise */
};

/* The turn of a call of its script functions now. */
struct script_turn device_turn(const struct device *device);
/* Set its timer to `moment`, nanoseconds of the loop's clock. */
void device_wake_at(struct device *device, int64_t moment);
/* The tally that its loop fills now. */
struct tally *device_tally(const struct device *device);
/* Has its script disconnected it, or is it disconnecting it now? */
bool device_is_away(const struct device *device);
/* Is there no further message that it may send? */
bool device_has_sent_all(const struct device *device);

/* Run init(). A device whose init() fails is done. */
void device_init(struct device *device);
/* Connect and send; also after it was parked. */
void device_join(struct device *device);
/* Stop sending, wait for answers, and disconnect until device_join(). */
void device_park(struct device *device);
/* Break the connection, if there is one, without a goodbye. */
void device_drop(struct device *device);
/* Start no new iteration: wait for answers, then disconnect for good. */
void device_end(struct device *device);
/* Disconnect now, without waiting for answers; finish() still runs. */
void device_hurry(struct device *device);
/* Disconnect without a goodbye if it has not ended by then. */
void device_abort(struct device *device);
/* End it although the transport has not reported that its session is closed. */
void device_force(struct device *device);
/* The timer callback; `device` is the struct device. */
void device_on_timer(void *device);
/* It has nothing more to send for now: wait for answers, then disconnect. */
void device_drain(struct device *device);
/* After an answer or the end of a call: disconnect if it waits for nothing else. */
void device_drained(struct device *device);
/* Commands of the script: disconnect, in good order if `clean`; connect again. */
void device_go_offline(struct device *device, bool clean);
void device_come_back(struct device *device);
/* A promise of init() or finish() is settled. */
void device_settled(struct device *device, enum script_function function, struct script_turn turn,
    const struct script_output *output);

/* Events of the transport; `user` is the struct device. */
void device_on_connected(void *user, const struct iotify_connect_times *times);
void device_on_closed(void *user, enum iotify_close reason, const char *text);

#endif
