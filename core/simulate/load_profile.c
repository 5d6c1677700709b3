/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/load_profile.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/clock.h"

void load_profile_init(
    struct load_profile *load_profile, const struct simulate_options *options, int64_t clients)
{
    const struct iotify_table *stages = &options->stages;
    /* If the first stage sets `clients`, their number starts at 0; otherwise all take part. */
    const struct simulate_stage *first = stages->count ? stages->rows[0] : NULL;
    double current = first && first->clients >= 0 ? 0 : (double)clients, rate = 0;
    int64_t begins = 0;

    *load_profile = (struct load_profile){.interval = options->interval, .ends = options->duration};
    if (!first)
        return;
    load_profile->pieces = memory_new(stages->count, sizeof(*load_profile->pieces));
    for (size_t i = 0; i < stages->count; i++) {
        const struct simulate_stage *stage = stages->rows[i];
        struct load_profile_piece *piece = &load_profile->pieces[load_profile->count++];

        *piece = (struct load_profile_piece){.begins = begins,
            .ends = begins + stage->duration,
            .clients = current,
            .rate = rate,
            .storm = stage->storm,
            .name = stage->name};
        if (stage->clients >= 0)
            current = (double)(stage->clients < clients ? stage->clients : clients);
        if (stage->rate > 0)
            rate = stage->rate;
        piece->clients_end = current;
        piece->rate_end = rate;
        piece->counts_clients = stage->clients >= 0 || rate <= 0;
        begins = piece->ends;
    }
    load_profile->ends = begins;
}

void load_profile_clear(struct load_profile *load_profile)
{
    free(load_profile->pieces);
    *load_profile = (struct load_profile){0};
}

bool load_profile_varies(const struct load_profile *load_profile)
{
    for (size_t i = 0; i < load_profile->count; i++)
        if (load_profile->pieces[i].clients < load_profile->pieces[i].clients_end ||
            load_profile->pieces[i].clients > load_profile->pieces[i].clients_end)
            return true;
    return false;
}

/* The piece at `moment`; NULL without stages and after the last one. */
static const struct load_profile_piece *load_profile_piece_at(
    const struct load_profile *load_profile, int64_t moment)
{
    for (size_t i = 0; i < load_profile->count; i++)
        if (moment < load_profile->pieces[i].ends)
            return &load_profile->pieces[i];
    return NULL;
}

static double load_profile_part_of(const struct load_profile_piece *piece, int64_t moment)
{
    double passed = (double)(moment - piece->begins), whole = (double)(piece->ends - piece->begins);

    return passed <= 0 ? 0 : whole > 0 && passed < whole ? passed / whole : 1;
}

static double load_profile_between(double from, double to, double part)
{
    return from + (to - from) * part;
}

int64_t load_profile_clients(const struct load_profile *load_profile, int64_t moment)
{
    const struct load_profile_piece *piece = load_profile_piece_at(load_profile, moment);

    if (!piece)
        return load_profile->count
                   ? (int64_t)load_profile->pieces[load_profile->count - 1].clients_end
                   : INT64_MAX;
    return (int64_t)ceil(load_profile_between(piece->clients, piece->clients_end,
                             load_profile_part_of(piece, moment)) -
                         1e-9);
}

bool load_profile_shares(const struct load_profile *load_profile, int64_t moment)
{
    const struct load_profile_piece *piece = load_profile_piece_at(load_profile, moment);

    return piece && piece->rate_end > 0;
}

/* The rest of a piece, from `moment` on; slopes are changes per second. */
struct load_profile_slope {
    double seconds; /* to the end of the piece */
    double clients, clients_slope;
    double rate, rate_slope;
    double interval; /* seconds, where there is no rate */
};

/*
 * Fewer than one client sends at the whole rate, as one does. The piece ends where their number
 * crosses 1.
 */
static void load_profile_clip(struct load_profile_slope *slope)
{
    double until = fabs(slope->clients_slope) < 1e-9 ? slope->seconds
                                                     : (1 - slope->clients) / slope->clients_slope;

    if (slope->clients < 1 + 1e-6 && slope->clients_slope <= 1e-9) {
        slope->clients = 1;
        slope->clients_slope = 0;
        return;
    }
    if (slope->clients < 1 - 1e-6) {
        slope->clients = 1;
        slope->clients_slope = 0;
    } else if (slope->clients_slope > 0) {
        return;
    }
    if (until > 0 && until < slope->seconds)
        slope->seconds = until;
}

static struct load_profile_slope load_profile_slope_at(
    const struct load_profile *load_profile, const struct load_profile_piece *piece, int64_t moment)
{
    struct load_profile_slope slope;
    double part = load_profile_part_of(piece, moment),
           whole = (double)(piece->ends - piece->begins) / SECOND;

    slope = (struct load_profile_slope){
        .seconds = (double)(piece->ends - moment) / SECOND,
        .clients = load_profile_between(piece->clients, piece->clients_end, part),
        .clients_slope = (piece->clients_end - piece->clients) / whole,
        .rate = load_profile_between(piece->rate, piece->rate_end, part),
        .rate_slope = (piece->rate_end - piece->rate) / whole,
        .interval = piece->rate_end > 0 ? 0 : (double)load_profile->interval / SECOND,
    };
    load_profile_clip(&slope);
    return slope;
}

/* Messages of one client within `seconds`, with at least one client. */
static double load_profile_messages_in(const struct load_profile_slope *slope, double seconds)
{
    double clients = slope->clients;

    if (slope->interval > 0)
        return seconds / slope->interval;
    if (fabs(slope->clients_slope) < 1e-9)
        return (slope->rate * seconds + slope->rate_slope * seconds * seconds / 2) / clients;
    return slope->rate / slope->clients_slope * log1p(slope->clients_slope * seconds / clients);
}

/* The inverse: seconds until a client has sent `messages`, within the piece. */
static double load_profile_seconds_for(const struct load_profile_slope *slope, double messages)
{
    double clients = slope->clients;

    if (slope->interval > 0)
        return messages * slope->interval;
    if (fabs(slope->clients_slope) < 1e-9) {
        double wanted = messages * clients;
        double root = sqrt(fmax(slope->rate * slope->rate + 2 * slope->rate_slope * wanted, 0));

        return slope->rate + root > 0 ? 2 * wanted / (slope->rate + root) : slope->seconds;
    }
    return clients * expm1(messages * slope->clients_slope / slope->rate) / slope->clients_slope;
}

int64_t load_profile_after(const struct load_profile *load_profile, int64_t moment, double messages)
{
    if (load_profile->count == 0)
        return moment + (int64_t)((double)load_profile->interval * messages);
    for (size_t i = 0; i < load_profile->count; i++) {
        const struct load_profile_piece *piece = &load_profile->pieces[i];

        while (moment < piece->ends) {
            struct load_profile_slope slope = load_profile_slope_at(load_profile, piece, moment);
            double inside;

            /* Without an interval and a rate a client sends as fast as it can. */
            if (slope.interval <= 0 && piece->rate_end <= 0)
                return moment;
            inside = load_profile_messages_in(&slope, slope.seconds);
            if (inside >= messages)
                return moment + (int64_t)ceil(load_profile_seconds_for(&slope, messages) * SECOND);
            messages -= inside;
            moment += (int64_t)ceil(slope.seconds * SECOND) + (slope.seconds <= 0);
        }
    }
    return INT64_MAX;
}

int64_t load_profile_count(const struct load_profile *load_profile, int64_t from, int64_t until)
{
    double messages = 0;

    if (from >= until)
        return 0;
    if (load_profile->count == 0)
        return load_profile->interval > 0 ? (until - from - 1) / load_profile->interval + 1 : 0;
    for (size_t i = 0; i < load_profile->count && from < until; i++) {
        const struct load_profile_piece *piece = &load_profile->pieces[i];

        while (from < piece->ends && from < until) {
            struct load_profile_slope slope = load_profile_slope_at(load_profile, piece, from);
            int64_t step = (int64_t)ceil(slope.seconds * SECOND) + (slope.seconds <= 0);

            if (slope.interval <= 0 && piece->rate_end <= 0)
                return 0;
            if (step > until - from)
                slope.seconds = (double)(until - from) / SECOND;
            messages += load_profile_messages_in(&slope, slope.seconds);
            from += step;
        }
    }
    /* The one at `from` is due in any case. */
    return messages > 1 ? (int64_t)ceil(messages - 1e-6) : 1;
}

size_t load_profile_stage(const struct load_profile *load_profile, int64_t moment)
{
    const struct load_profile_piece *piece = load_profile_piece_at(load_profile, moment);

    return piece ? (size_t)(piece - load_profile->pieces) + 1 : 0;
}

double load_profile_rate(const struct load_profile *load_profile, int64_t moment, int64_t clients)
{
    const struct load_profile_piece *piece = load_profile_piece_at(load_profile, moment);
    int64_t most = load_profile_clients(load_profile, moment);

    if (piece && piece->rate_end > 0)
        return load_profile_between(
            piece->rate, piece->rate_end, load_profile_part_of(piece, moment));
    if (load_profile->interval <= 0)
        return -1;
    return (double)(clients < most ? clients : most) * SECOND / (double)load_profile->interval;
}

int64_t load_profile_intended(const struct load_profile *load_profile, size_t index)
{
    const struct load_profile_piece *piece = &load_profile->pieces[index];

    if (piece->counts_clients)
        return (int64_t)piece->clients_end;
    return (int64_t)((piece->rate + piece->rate_end) / 2 * (double)(piece->ends - piece->begins) /
                     SECOND);
}
