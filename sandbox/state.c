/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/state.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/identity.h"

#define FORMAT "2"

/*
 * A write-ahead log that is not synced at each commit: the operating system has the data, so a
 * crash of the process loses nothing. Only a power failure may, which is acceptable for a sandbox.
 */
static const char schema[] =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS thing_types (name TEXT PRIMARY KEY, arn TEXT, id TEXT,"
    " properties TEXT, created INTEGER, deprecated INTEGER DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY, arn TEXT, id TEXT, type TEXT,"
    " attributes TEXT, version INTEGER DEFAULT 1);"
    "CREATE INDEX IF NOT EXISTS things_by_type ON things (type);"
    "CREATE TABLE IF NOT EXISTS thing_groups (name TEXT PRIMARY KEY, arn TEXT UNIQUE, id TEXT,"
    " properties TEXT, parent TEXT, created INTEGER, version INTEGER DEFAULT 1);"
    "CREATE TABLE IF NOT EXISTS group_things (thing_group TEXT, thing TEXT,"
    " PRIMARY KEY (thing_group, thing)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS group_things_by_thing ON group_things (thing);"
    "CREATE TABLE IF NOT EXISTS policies (name TEXT PRIMARY KEY, arn TEXT, created INTEGER,"
    " modified INTEGER, default_version INTEGER, last_version INTEGER);"
    "CREATE TABLE IF NOT EXISTS policy_versions (id INTEGER PRIMARY KEY AUTOINCREMENT, policy TEXT,"
    " version INTEGER, document TEXT, created INTEGER, UNIQUE (policy, version));"
    "CREATE TABLE IF NOT EXISTS certificates (id TEXT PRIMARY KEY, arn TEXT UNIQUE, pem TEXT,"
    " status TEXT, mode TEXT, created INTEGER, modified INTEGER, not_before INTEGER,"
    " not_after INTEGER);"
    "CREATE TABLE IF NOT EXISTS policy_targets (policy TEXT, target TEXT,"
    " PRIMARY KEY (policy, target)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS policy_targets_by_target ON policy_targets (target);"
    "CREATE TABLE IF NOT EXISTS detached_policies (policy TEXT PRIMARY KEY, until INTEGER);"
    "CREATE TABLE IF NOT EXISTS thing_principals (thing TEXT, principal TEXT, type TEXT,"
    " detached INTEGER DEFAULT 0, PRIMARY KEY (thing, principal)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS thing_principals_by_principal ON thing_principals (principal);"
    "CREATE TABLE IF NOT EXISTS tags (arn TEXT, key TEXT, value TEXT,"
    " PRIMARY KEY (arn, key)) WITHOUT ROWID;"
    "PRAGMA user_version = " FORMAT;

/* Statements are prepared once; their texts are literals, so their addresses identify them. */
struct state_prepared {
    const char *sql;
    sqlite3_stmt *statement;
    struct state_prepared *next;
};

struct state {
    sqlite3 *db;
    pthread_mutex_t mutex;
    struct state_prepared *prepared;
    bool failed; /* a statement of this transaction failed */
    void (*parted)(void *argument, const char *principal);
    void *argument;
    int64_t next_due; /* of the next detachment, milliseconds since 1970; INT64_MAX: none */
};

static int64_t state_read_number(sqlite3 *db, const char *sql, int64_t otherwise)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = otherwise;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* Refuses a file of another format; a new file has no tables yet. */
static bool state_format_fits(struct state *state, const char *path)
{
    int64_t format = state_read_number(state->db, "PRAGMA user_version", 0);
    int64_t tables = state_read_number(state->db, "SELECT count(*) FROM sqlite_master", 0);

    if (tables == 0 || format == strtol(FORMAT, NULL, 10))
        return true;
    fprintf(stderr,
        "iotify-sandbox: the state %s is of another version of the sandbox; start it once with "
        "--reset\n",
        path ? path : "");
    return false;
}

static const char *const companions[] = {"", "-wal", "-shm"};

bool state_remove(const char *path)
{
    char name[4200];

    for (size_t i = 0; i < sizeof(companions) / sizeof(companions[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", path, companions[i]);
        if (unlink(name) != 0 && errno != ENOENT) {
            fprintf(stderr, "iotify-sandbox: cannot remove %s: %s\n", name, strerror(errno));
            return false;
        }
    }
    return true;
}

struct state *state_open(const char *path)
{
    struct state *state = calloc(1, sizeof(*state));
    char *error = NULL;

    if (!state)
        return NULL;
    pthread_mutex_init(&state->mutex, NULL);
    if (sqlite3_open_v2(path ? path : ":memory:", &state->db,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(state->db, 2000);
        if (!state_format_fits(state, path)) {
            state_close(state);
            return NULL;
        }
    }
    if (sqlite3_exec(state->db, schema, NULL, NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "iotify-sandbox: cannot open the state %s: %s\n", path ? path : "",
            error ? error : sqlite3_errmsg(state->db));
        sqlite3_free(error);
        state_close(state);
        return NULL;
    }
    state->next_due = state_read_number(
        state->db, "SELECT min(detached) FROM thing_principals WHERE detached > 0", INT64_MAX);
    return state;
}

void state_close(struct state *state)
{
    if (!state)
        return;
    while (state->prepared) {
        struct state_prepared *prepared = state->prepared;

        state->prepared = prepared->next;
        sqlite3_finalize(prepared->statement);
        free(prepared);
    }
    sqlite3_close(state->db);
    pthread_mutex_destroy(&state->mutex);
    free(state);
}

static bool state_execute(struct state *state, const char *sql)
{
    char *error = NULL;

    if (sqlite3_exec(state->db, sql, NULL, NULL, &error) == SQLITE_OK)
        return true;
    fprintf(stderr, "iotify-sandbox: the state: %s\n", error ? error : "no memory");
    sqlite3_free(error);
    return false;
}

static void state_detach_due(struct state *state, int64_t now)
{
    char text[24];
    json_t *rows;

    snprintf(text, sizeof(text), "%lld", (long long)now);
    rows = state_select(state,
        "SELECT DISTINCT principal FROM thing_principals"
        " WHERE detached > 0 AND detached <= CAST(?1 AS INTEGER)",
        STATE_WITH(text));
    state_change(state,
        "DELETE FROM thing_principals WHERE detached > 0 AND detached <= CAST(?1 AS INTEGER)",
        STATE_WITH(text));
    /* Committed on its own: a rollback by the caller must not undo it. */
    state->failed = !state_execute(state, state->failed ? "ROLLBACK" : "COMMIT") || state->failed;
    state->failed = !state_execute(state, "BEGIN IMMEDIATE") || state->failed;
    state->next_due = state_read_number(
        state->db, "SELECT min(detached) FROM thing_principals WHERE detached > 0", INT64_MAX);
    for (size_t i = 0; i < json_array_size(rows) && state->parted; i++)
        state->parted(state->argument,
            json_string_value(json_object_get(json_array_get(rows, i), "principal")));
    json_decref(rows);
}

void state_begin(struct state *state)
{
    int64_t now = identity_now_ms();

    pthread_mutex_lock(&state->mutex);
    state->failed = !state_execute(state, "BEGIN IMMEDIATE");
    if (now >= state->next_due && !state->failed)
        state_detach_due(state, now);
}

void state_on_parted(
    struct state *state, void (*parted)(void *argument, const char *principal), void *argument)
{
    pthread_mutex_lock(&state->mutex);
    state->parted = parted;
    state->argument = argument;
    pthread_mutex_unlock(&state->mutex);
}

void state_sweep(struct state *state)
{
    bool due;

    pthread_mutex_lock(&state->mutex);
    due = identity_now_ms() >= state->next_due;
    pthread_mutex_unlock(&state->mutex);
    if (!due)
        return;
    state_begin(state);
    state_end(state, true);
}

void state_expect(struct state *state, int64_t due_ms)
{
    if (due_ms > 0 && due_ms < state->next_due)
        state->next_due = due_ms;
}

bool state_end(struct state *state, bool keep)
{
    bool done = keep && !state->failed && state_execute(state, "COMMIT");

    if (!done && !sqlite3_get_autocommit(state->db))
        state_execute(state, "ROLLBACK");
    pthread_mutex_unlock(&state->mutex);
    return done || !keep;
}

static sqlite3_stmt *state_prepare(
    struct state *state, const char *sql, const char *const *arguments)
{
    struct state_prepared *prepared;

    for (prepared = state->prepared; prepared; prepared = prepared->next)
        if (prepared->sql == sql)
            break;
    if (!prepared) {
        prepared = calloc(1, sizeof(*prepared));
        if (!prepared)
            return NULL;
        if (sqlite3_prepare_v3(state->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared->statement,
                NULL) != SQLITE_OK) {
            fprintf(stderr, "iotify-sandbox: %s: %s\n", sql, sqlite3_errmsg(state->db));
            free(prepared);
            return NULL;
        }
        prepared->sql = sql;
        prepared->next = state->prepared;
        state->prepared = prepared;
    }
    for (int i = 0; arguments[i]; i++)
        sqlite3_bind_text(prepared->statement, i + 1, arguments[i], -1, SQLITE_STATIC);
    return prepared->statement;
}

static json_t *state_row_of(sqlite3_stmt *statement)
{
    json_t *row = json_object();

    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        json_t *value = NULL;

        if (sqlite3_column_type(statement, i) == SQLITE_INTEGER)
            value = json_integer(sqlite3_column_int64(statement, i));
        else if (sqlite3_column_type(statement, i) == SQLITE_TEXT)
            value = json_string((const char *)sqlite3_column_text(statement, i));
        if (value)
            json_object_set_new(row, sqlite3_column_name(statement, i), value);
    }
    return row;
}

/* A failed statement makes its whole transaction fail. */
static void state_note_result(struct state *state, sqlite3_stmt *statement, int code)
{
    if (code != SQLITE_DONE && !state->failed) {
        state->failed = true;
        fprintf(stderr, "iotify-sandbox: the state: %s\n", sqlite3_errmsg(state->db));
    }
    if (statement)
        sqlite3_reset(statement);
}

json_t *state_select(struct state *state, const char *sql, const char *const *arguments)
{
    /* After a failure no statement runs: the transaction may be over already. */
    sqlite3_stmt *statement = state->failed ? NULL : state_prepare(state, sql, arguments);
    int code = SQLITE_ERROR;
    json_t *rows = json_array();

    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW)
        json_array_append_new(rows, state_row_of(statement));
    state_note_result(state, statement, code);
    return rows;
}

int state_change(struct state *state, const char *sql, const char *const *arguments)
{
    sqlite3_stmt *statement = state->failed ? NULL : state_prepare(state, sql, arguments);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;

    state_note_result(state, statement, code);
    return code == SQLITE_DONE ? sqlite3_changes(state->db) : -1;
}
