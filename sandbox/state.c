#include "sandbox/state.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
    "CREATE TABLE IF NOT EXISTS thing_types (name TEXT PRIMARY KEY, arn TEXT, id TEXT,"
    " properties TEXT, created INTEGER, deprecated INTEGER DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY, arn TEXT, id TEXT, type TEXT,"
    " attributes TEXT, version INTEGER DEFAULT 1);"
    "CREATE TABLE IF NOT EXISTS thing_groups (name TEXT PRIMARY KEY, arn TEXT, id TEXT,"
    " properties TEXT, parent TEXT, created INTEGER, version INTEGER DEFAULT 1);"
    "CREATE TABLE IF NOT EXISTS group_things (thing_group TEXT, thing TEXT,"
    " PRIMARY KEY (thing_group, thing)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS policies (name TEXT PRIMARY KEY, arn TEXT, created INTEGER,"
    " default_version TEXT);"
    "CREATE TABLE IF NOT EXISTS policy_versions (policy TEXT, version TEXT, document TEXT,"
    " created INTEGER, PRIMARY KEY (policy, version));"
    "CREATE TABLE IF NOT EXISTS certificates (id TEXT PRIMARY KEY, arn TEXT, pem TEXT,"
    " status TEXT, created INTEGER);"
    "CREATE TABLE IF NOT EXISTS policy_targets (policy TEXT, target TEXT,"
    " PRIMARY KEY (policy, target)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS policy_targets_by_target ON policy_targets (target);"
    "CREATE TABLE IF NOT EXISTS thing_principals (thing TEXT, principal TEXT,"
    " PRIMARY KEY (thing, principal)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS thing_principals_by_principal ON thing_principals (principal);";

/* Statements are prepared once; their texts are literals, so their addresses tell them apart. */
struct prepared {
    const char *sql;
    sqlite3_stmt *statement;
    struct prepared *next;
};

struct state {
    sqlite3 *db;
    pthread_mutex_t mutex;
    struct prepared *prepared;
};

struct state *state_open(const char *path)
{
    struct state *state = calloc(1, sizeof(*state));
    char *error = NULL;

    if (!state)
        return NULL;
    pthread_mutex_init(&state->mutex, NULL);
    if (sqlite3_open_v2(path ? path : ":memory:", &state->db,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(state->db, schema, NULL, NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "iotify-sandbox: cannot open the state %s: %s\n", path ? path : "",
            error ? error : sqlite3_errmsg(state->db));
        sqlite3_free(error);
        state_close(state);
        return NULL;
    }
    return state;
}

void state_close(struct state *state)
{
    if (!state)
        return;
    while (state->prepared) {
        struct prepared *prepared = state->prepared;

        state->prepared = prepared->next;
        sqlite3_finalize(prepared->statement);
        free(prepared);
    }
    sqlite3_close(state->db);
    pthread_mutex_destroy(&state->mutex);
    free(state);
}

void state_begin(struct state *state)
{
    pthread_mutex_lock(&state->mutex);
    sqlite3_exec(state->db, "BEGIN", NULL, NULL, NULL);
}

bool state_end(struct state *state, bool keep)
{
    bool done =
        sqlite3_exec(state->db, keep ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK;

    if (!done)
        sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&state->mutex);
    return done;
}

static sqlite3_stmt *prepare(struct state *state, const char *sql, const char *const *arguments)
{
    struct prepared *prepared;

    for (prepared = state->prepared; prepared; prepared = prepared->next)
        if (prepared->sql == sql || strcmp(prepared->sql, sql) == 0)
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

static json_t *row_of(sqlite3_stmt *statement)
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

json_t *state_select(struct state *state, const char *sql, const char *const *arguments)
{
    sqlite3_stmt *statement = prepare(state, sql, arguments);
    json_t *rows = json_array();

    while (statement && sqlite3_step(statement) == SQLITE_ROW)
        json_array_append_new(rows, row_of(statement));
    if (statement)
        sqlite3_reset(statement);
    return rows;
}

int state_change(struct state *state, const char *sql, const char *const *arguments)
{
    sqlite3_stmt *statement = prepare(state, sql, arguments);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;

    if (statement)
        sqlite3_reset(statement);
    return code == SQLITE_DONE ? sqlite3_changes(state->db) : -1;
}

bool state_certificate_active(struct state *state, const char *certificate_id)
{
    json_t *rows;
    bool active;

    state_begin(state);
    rows = state_select(state, "SELECT id FROM certificates WHERE id = ?1 AND status = 'ACTIVE'",
        STATE_WITH(certificate_id));
    active = json_array_size(rows) == 1;
    json_decref(rows);
    state_end(state, true);
    return active;
}
