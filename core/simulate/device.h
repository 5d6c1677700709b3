/*
 * One simulated device, and the engine that it lives in: the parts that core/simulate's device.c,
 * message.c and engine.c share. All of it belongs to the engine's thread unless said otherwise.
 */
#ifndef CORE_SIMULATE_DEVICE_H
#define CORE_SIMULATE_DEVICE_H

#include <stdatomic.h>

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/script/expression.h"
#include "core/simulate/ledger.h"
#include "core/simulate/simulate_loop.h"

/* How long what is in flight may take after the user asked to stop. */
#define DEVICE_HASTE (5 * SECOND)

enum phase {
    WAITING, /* for its turn to connect */
    CONNECTING,
    RUNNING,
    PAUSING,   /* before it connects again */
    DRAINING,  /* sends no more, waits for answers */
    HOLDING,   /* stays connected for a while */
    OFFLINE,   /* the script has disconnected it, and may connect it again */
    FINISHING, /* finish() was called; what it sent and waits for is not answered yet */
    LEAVING,
    PARKED, /* has left for now; a stage may want it back */
    DONE
};

struct device {
    struct iotify_timer timer; /* first */
    struct engine *engine;
    void *session;
    struct ledger ledger;
    int64_t client;
    int64_t iteration;    /* the next */
    int64_t due;          /* when the next message is meant to go, without jitter */
    int64_t intended;     /* the same, with jitter */
    int64_t connected_at; /* when the present connection was ready; 0: there is none */
    int64_t draining_at;  /* when waiting for answers began; 0: it has not */
    uint64_t random;
    struct tally_device *trouble; /* messages that went astray; NULL: none did */
    int32_t attempts;             /* failed in a row */
    uint32_t second, in_second;   /* messages in one second of the run, for the endpoint's limit */
    uint8_t phase;                /* enum phase */
    bool was_connected, init_done;
    bool in_batch;   /* waits for its script */
    bool parking;    /* leaves for now, not for good */
    bool rejoined;   /* was parked: its schedule begins anew */
    bool dropped;    /* its connection was broken on purpose */
    bool flooding;   /* has no interval, and as much in flight as it may */
    bool awaiting;   /* its message(), or init() or finish(), waits for a promise */
    bool offline;    /* the script wants no connection */
    bool answerable; /* closed pacing: its next message waits for answers */
    bool absent;     /* was so in the present iteration */
    bool departing;  /* has asked to be, and that is not done yet */
    bool rejoining;  /* connects again as soon as the present connection is closed */
    bool complete;   /* the script says that it has done all */
    bool spoiled;    /* a condition of the present iteration did not hold */
};

/* What a script asked of a device, until the script has returned. */
struct act {
    struct act *next;
    struct device *device;
    struct script_turn turn;
    struct script_act asked; /* its texts are in the engine's acts_arena */
};

/* Where the settings of a message are in the transport's options; SIZE_MAX: it has none such. */
struct publish_offsets {
    size_t topic, qos, retain;
};

/* What a script printed, until its iteration is captured. */
struct script_line {
    int64_t client, iteration;
    enum iotify_level level;
    const char *text;
    struct script_line *next;
};

struct engine {
    const struct simulation *simulation;
    int64_t share, shares;
    pthread_t thread;
    struct loop loop;
    struct script *script;
    void *transport; /* the plugin's engine; NULL for `none` */
    const struct iotify_transport *operations;
    struct expression_set connection, publish;
    struct expression_set *subscriptions;
    const void *publish_options;
    struct call call; /* of messages, used again and again */
    struct device *devices;
    size_t count;
    size_t joined; /* so many of the devices, from the first on, are meant to take part */
    size_t done;
    double join_tokens;
    int64_t join_at; /* when tokens were last counted */
    struct iotify_timer *join_timer, *stage_timer, *end_timer, *report_timer, *haste_timer,
        *more_timer;
    size_t stage; /* the next to begin */
    int64_t began;
    bool ending;
    struct device *batch[SCRIPT_BATCH];
    size_t batch_count;
    struct iotify_buffer payload;
    int64_t script_time, script_count; /* of the present batch */
    struct script_line *lines;
    struct arena lines_arena;
    struct glob_port *glob;
    struct act *acts, **last_act;
    struct arena acts_arena;
    int acting; /* lists of acts being done */
    struct publish_offsets offsets;
    struct arena arena; /* Results: one tally is filled while another may be taken away. */
    struct tally *tally;
    struct tally tallies[2];
    pthread_mutex_t lock;
    struct tally *handed; /* under the lock: NULL when it was taken */
    int64_t worked;       /* nanoseconds in which the loop did not sleep */
    int64_t reported_at, reported_worked;
    struct prefetch *prefetch; /* while init() runs */
    bool broken;               /* could not be set up */
    bool overgrown;            /* its scripts took too much memory */
    int end_seen;              /* the end that is under way: 1, or 2 where the user stopped it */
    bool deaf;                 /* under the lock: the loop is being closed and must not be woken */
    /* Read by other threads. */
    atomic_llong connected_now;
    _Atomic double busy;
    atomic_bool finished, end_asked, stopped;
    atomic_llong busy_since; /* a script runs since then; 0: none does */
};

/* ------------------------------------------------------------------ device.c */

int64_t engine_now(const struct engine *engine);
struct script_turn device_turn(const struct device *device);
/* Its timer fires at this moment. */
void device_wake_at(struct device *device, int64_t moment);

/* init(), before all. */
void device_init(struct device *device);
/* Take part, again where it was parked. */
void device_join(struct device *device);
/* Leave for now. */
void device_park(struct device *device);
/* Break the connection, when there is one. */
void device_drop(struct device *device);
/* Begin nothing more. */
void device_end(struct device *device);
/* There is no more time: leave, whatever is in flight. */
void device_hurry(struct device *device);
/* The timer of the device. */
void device_timer(void *device);
/* Everything was sent: wait for answers, then leave. */
void device_drain(struct device *device);
/* Something was answered: is the wait over? */
void device_drained(struct device *device);
bool device_has_sent_all(const struct device *device);
/* The script's wishes: be without a connection, and be connected anew. */
void device_go_offline(struct device *device, bool clean);
void device_come_back(struct device *device);
/* A promise of init() or finish() has come to its end. */
void device_settled(struct device *device, enum script_function function, struct script_turn turn,
    const struct script_output *output);

void device_on_connected(void *user, const struct iotify_connect_times *times);
void device_on_closed(void *user, enum iotify_close reason, const char *text);

/* ------------------------------------------------------------------ device_failure.c */

/* The first of each kind goes to the log with everything it says; the rest are counted. */
void device_fail(struct device *device, const char *code, const char *text);
void device_fail_script(
    struct device *device, struct script_turn turn, const struct script_error *error);
/* An expression of a setting: `text` says where it stands. */
void device_fail_expression(struct device *device, const char *text);
/* Its note of messages that went astray. */
struct tally_device *device_trouble(struct device *device);

/* ------------------------------------------------------------------ message.c */

/* Its message is due. */
void message_due(struct device *device);
/* Run the scripts of all that are due, and send what they made. */
void message_flush(struct engine *engine);
/* The first message of a connection, or the next that was due while there was none. */
void message_begin(struct device *device);
/* When the run is over for the device: tell what was never heard of again. */
void message_account(struct device *device);

/* message() has come to its end after a promise. */
void message_settled(struct device *device, const struct script_output *output);
/*
 * Send one message beside the schedule: `asked` says what; its topic, quality and retention take
 * the place of the template's.
 */
void message_publish(struct device *device, const struct script_act *asked);

void message_on_acknowledged(void *user, uint64_t token);
void message_on_lost(void *user, uint64_t token);
void message_on_received(void *user, const char *topic, struct iotify_bytes payload);
/* What a script prints. */
void message_on_console(
    void *engine, enum iotify_level level, const struct script_turn *turn, const char *text);

/* ------------------------------------------------------------------ inits.c */

/* Make the states, and run init() of all devices. */
void inits_run(struct engine *engine);

/* ------------------------------------------------------------------ acts.c */

/* What a script asks of its device: kept until the script has returned. */
const char *acts_on_asked(
    void *engine, const struct script_turn *turn, const struct script_act *act);
/* Do what was asked; after each call into the script. */
void acts_do(struct engine *engine);
/* Only what this device's functions asked for. */
void acts_do_of(struct device *device);

#endif
