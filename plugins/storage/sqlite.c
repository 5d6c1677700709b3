/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage in one SQLite file: write-ahead log, synchronous=FULL, one transaction per batch. Reads
 * use a second connection, so that they do not wait for a commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iotify/host.h>

/* "ITFY" in the header of the file distinguishes a store from other programs' databases. */
#define APPLICATION_ID 0x49544659
#define FORMAT 1
#define BUSY_MS 10000

struct sqlite_options {
    const char *path;
};

enum { GET, PUT, DELETE, SCAN, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [GET] = "SELECT value FROM entries WHERE key = ?1",
    [PUT] = "REPLACE INTO entries (key, value) VALUES (?1, ?2)",
    [DELETE] = "DELETE FROM entries WHERE key = ?1",
    [SCAN] = "SELECT key FROM entries WHERE key >= ?1 AND key > ?2 ORDER BY key LIMIT ?3",
};

struct sqlite_connection {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    pthread_mutex_t mutex;
};

struct sqlite_store {
    const char *path;
    struct sqlite_connection writer, reader;
    pthread_mutex_t mutex; /* for connecting */
    atomic_bool connected; /* false: the file did not exist when it was last looked for */
};

static const struct iotify_setting items[] = {
    {.name = "path",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = offsetof(struct sqlite_options, path),
        .value = "{job}.db",
        .help = "the database file, relative to the job file"},
};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct sqlite_options);

static enum iotify_result sqlite_fail(struct iotify_call *call, sqlite3 *db, const char *doing)
{
    int code = sqlite3_errcode(db);

    switch (code & 0xff) {
    case SQLITE_FULL:
        return call->host->fail(call, IOTIFY_RESULT_FULL, "DiskFull",
            "%s: the disk is full; free disk space and run the same command again", doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "StoreBusy",
            "%s: another process holds the store; wait for it to end", doing);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "StoreDamaged",
            "%s: the file is not an SQLite database, or is damaged; choose another one with path:",
            doing);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return call->host->fail(call, IOTIFY_RESULT_DENIED, "StoreDenied",
            "%s: %s; check the permissions of the file and its folder", doing, sqlite3_errmsg(db));
    default:
        return call->host->fail(call,
            sqlite3_system_errno(db) == ENOSPC ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_FAILED,
            "StoreFailed", "%s: %s", doing, sqlite3_errmsg(db));
    }
}

/* ------------------------------------------------------------------ open and close */

/* Create the file with mode 0600 before SQLite opens it; SQLite gives its other files that mode. */
static enum iotify_result sqlite_make_file(struct iotify_call *call, const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int descriptor;

    if (slash && slash > path && (size_t)(slash - path) < sizeof(folder)) {
        memcpy(folder, path, (size_t)(slash - path));
        folder[slash - path] = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return call->host->fail(call,
                errno == ENOSPC ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_DENIED, "StoreDenied",
                "cannot make the folder %s: %s", folder, strerror(errno));
    }
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return call->host->fail(call, errno == ENOSPC ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_DENIED,
            "StoreDenied", "cannot open the store %s: %s", path, strerror(errno));
    close(descriptor);
    return IOTIFY_RESULT_OK;
}

static const char name_another[] = "name another file with path:";

static int sqlite_read_integer(sqlite3 *db, const char *pragma, int *out)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, pragma, -1, &statement, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* Create the table. Checks the file again in the transaction: another process may create it too. */
static enum iotify_result sqlite_make_format(
    struct iotify_call *call, sqlite3 *db, const char *path)
{
    int application = 0, tables = 0;
    enum iotify_result result;

    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite_read_integer(db, "PRAGMA application_id", &application) != SQLITE_OK ||
        sqlite_read_integer(db, "SELECT count(*) FROM sqlite_master", &tables) != SQLITE_OK) {
        result = sqlite_fail(call, db, path);
    } else if (application == APPLICATION_ID) {
        result = IOTIFY_RESULT_OK;
    } else if (tables) {
        result = call->host->fail(call, IOTIFY_RESULT_FAILED, "StoreForeign",
            "%s is another program's database; %s", path, name_another);
    } else if (sqlite3_exec(db,
                   "CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
                   "PRAGMA application_id = 1230259801; PRAGMA user_version = 1; COMMIT",
                   NULL, NULL, NULL) == SQLITE_OK) {
        return IOTIFY_RESULT_OK;
    } else {
        result = sqlite_fail(call, db, path);
    }
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

static enum iotify_result sqlite_check_format(
    struct iotify_call *call, sqlite3 *db, const char *path)
{
    int application = 0, format = 0;

    /* Read both in one transaction: another process may be creating the file. */
    if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite_read_integer(db, "PRAGMA application_id", &application) != SQLITE_OK ||
        sqlite_read_integer(db, "PRAGMA user_version", &format) != SQLITE_OK ||
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_fail(call, db, path);
    if (application == APPLICATION_ID && format == FORMAT)
        return IOTIFY_RESULT_OK;
    if (application == APPLICATION_ID)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "StoreFormat",
            "%s has format %d and this iotifyd reads %d; use the iotifyd that wrote it", path,
            format, FORMAT);
    if (application || format)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "StoreForeign",
            "%s is another program's database; %s", path, name_another);
    return sqlite_make_format(call, db, path);
}

static void sqlite_disconnect(struct sqlite_connection *connection)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(connection->statements[i]);
    sqlite3_close(connection->db);
    pthread_mutex_destroy(&connection->mutex);
    *connection = (struct sqlite_connection){0};
}

static enum iotify_result sqlite_connect_to(
    struct iotify_call *call, struct sqlite_connection *connection, const char *path)
{
    enum iotify_result result;

    pthread_mutex_init(&connection->mutex, NULL);
    if (sqlite3_open_v2(path, &connection->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return sqlite_fail(call, connection->db, path);
    sqlite3_extended_result_codes(connection->db, 1);
    sqlite3_busy_timeout(connection->db, BUSY_MS);
    result = sqlite_check_format(call, connection->db, path);
    if (result != IOTIFY_RESULT_OK)
        return result;
    if (sqlite3_exec(connection->db,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON", NULL,
            NULL, NULL) != SQLITE_OK)
        return sqlite_fail(call, connection->db, path);
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(connection->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                &connection->statements[i], NULL) != SQLITE_OK)
            return sqlite_fail(call, connection->db, path);
    return IOTIFY_RESULT_OK;
}

/* Connect to the file, with `create` after creating it. IOTIFY_RESULT_NOT_FOUND: it does not exist.
 */
static enum iotify_result sqlite_connect(
    struct iotify_call *call, struct sqlite_store *store, bool create)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (atomic_load(&store->connected))
        return IOTIFY_RESULT_OK;
    pthread_mutex_lock(&store->mutex);
    if (!atomic_load(&store->connected)) {
        if (create)
            result = sqlite_make_file(call, store->path);
        else if (access(store->path, F_OK) != 0 && errno == ENOENT)
            result = IOTIFY_RESULT_NOT_FOUND;
        if (result == IOTIFY_RESULT_OK) {
            result = sqlite_connect_to(call, &store->writer, store->path);
            if (result == IOTIFY_RESULT_OK)
                result = sqlite_connect_to(call, &store->reader, store->path);
            else
                pthread_mutex_init(&store->reader.mutex, NULL);
            if (result == IOTIFY_RESULT_OK) {
                atomic_store(&store->connected, true);
            } else {
                sqlite_disconnect(&store->reader);
                sqlite_disconnect(&store->writer);
            }
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return result;
}

static void sqlite_close(void *instance)
{
    struct sqlite_store *store = instance;

    if (atomic_load(&store->connected)) {
        sqlite_disconnect(&store->reader);
        sqlite_disconnect(&store->writer);
    }
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

static enum iotify_result sqlite_open(struct iotify_call *call, const void *given, void **instance)
{
    const struct sqlite_options *options = given;
    struct sqlite_store *store = calloc(1, sizeof(*store));
    enum iotify_result result;

    if (!store)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
    store->path = options->path;
    pthread_mutex_init(&store->mutex, NULL);
    result = sqlite_connect(call, store, false);
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND) {
        sqlite_close(store);
        return result;
    }
    *instance = store;
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ reads */

/* Read a key on this connection; `data` is NULL when it is absent. Returns an SQLite code. */
static int sqlite_get(struct iotify_call *call, struct sqlite_connection *connection,
    const char *key, struct iotify_bytes *out)
{
    sqlite3_stmt *statement = connection->statements[GET];
    int code;

    *out = (struct iotify_bytes){0};
    sqlite3_bind_blob(statement, 1, key, (int)strlen(key), SQLITE_STATIC);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        size_t size = (size_t)sqlite3_column_bytes(statement, 0);
        const void *data = sqlite3_column_blob(statement, 0);
        char *copy = call->host->alloc(call, size + 1);

        if (size)
            memcpy(copy, data, size);
        *out = (struct iotify_bytes){copy, size};
    }
    sqlite3_reset(statement);
    return code;
}

static enum iotify_result sqlite_get_many(
    void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    struct sqlite_connection *connection = &((struct sqlite_store *)instance)->reader;
    enum iotify_result result = sqlite_connect(call, instance, false);

    if (result == IOTIFY_RESULT_NOT_FOUND) {
        for (size_t i = 0; i < count; i++)
            reads[i].result = IOTIFY_RESULT_NOT_FOUND;
        return IOTIFY_RESULT_OK;
    }
    if (result != IOTIFY_RESULT_OK)
        return result;
    pthread_mutex_lock(&connection->mutex);
    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++) {
        int code = sqlite_get(call, connection, reads[i].key, &reads[i].value);

        reads[i].result = code == SQLITE_ROW ? IOTIFY_RESULT_OK : IOTIFY_RESULT_NOT_FOUND;
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            result = sqlite_fail(call, connection->db, "reading the store");
    }
    pthread_mutex_unlock(&connection->mutex);
    return result;
}

static enum iotify_result sqlite_scan(void *instance, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    struct sqlite_connection *connection = &((struct sqlite_store *)instance)->reader;
    enum iotify_result result = sqlite_connect(call, instance, false);
    sqlite3_stmt *statement = connection->statements[SCAN];
    size_t size = strlen(prefix);
    int code;

    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
    pthread_mutex_lock(&connection->mutex);
    sqlite3_bind_blob(statement, 1, prefix, (int)size, SQLITE_STATIC);
    sqlite3_bind_blob(
        statement, 2, after ? after : "", after ? (int)strlen(after) : 0, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)limit);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int length = sqlite3_column_bytes(statement, 0);
        char key[IOTIFY_KEY_MAX + 1];

        if (length < 1 || length > IOTIFY_KEY_MAX)
            continue;
        memcpy(key, sqlite3_column_blob(statement, 0), (size_t)length);
        key[length] = '\0';
        if (strncmp(key, prefix, size) != 0)
            break;
        found(argument, key);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sqlite_fail(call, connection->db, "listing the store");
    sqlite3_reset(statement);
    pthread_mutex_unlock(&connection->mutex);
    return result;
}

/* ------------------------------------------------------------------ writes */

static int sqlite_change(struct sqlite_connection *connection, const struct iotify_write *write)
{
    bool removes = iotify_write_removes(write);
    sqlite3_stmt *statement = connection->statements[removes ? DELETE : PUT];
    int code;

    sqlite3_bind_blob(statement, 1, write->key, (int)strlen(write->key), SQLITE_STATIC);
    if (!removes)
        sqlite3_bind_blob64(statement, 2, write->value.data ? write->value.data : "",
            write->value.size, SQLITE_STATIC);
    code = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (!removes)
        sqlite3_clear_bindings(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int sqlite_apply_one(struct iotify_call *call, struct sqlite_connection *connection,
    struct iotify_write *write, const struct iotify_write *previous)
{
    struct iotify_bytes current = {0};
    int code;

    if (iotify_write_needs_current(write)) {
        code = sqlite_get(call, connection, write->key, &current);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            return code;
    }
    return iotify_write_decide(write, previous, current) ? sqlite_change(connection, write)
                                                         : SQLITE_OK;
}

static enum iotify_result sqlite_apply(
    void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    struct sqlite_connection *connection = &((struct sqlite_store *)instance)->writer;
    enum iotify_result result = sqlite_connect(call, instance, true);
    int code;

    if (result != IOTIFY_RESULT_OK)
        return result;
    pthread_mutex_lock(&connection->mutex);
    code = sqlite3_exec(connection->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = sqlite_apply_one(call, connection, &writes[i], i ? &writes[i - 1] : NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(connection->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        result = sqlite_fail(call, connection->db, "writing to the store");
        sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
    }
    pthread_mutex_unlock(&connection->mutex);
    return result;
}

static const char *sqlite_libraries(void)
{
    static char text[32];

    snprintf(text, sizeof(text), "SQLite %s", sqlite3_libversion());
    return text;
}

static const struct iotify_storage operations = {
    IOTIFY_STORAGE_SIZES,
    .threads = IOTIFY_THREADS_PARALLEL,
    .durability = IOTIFY_DURABILITY_DURABLE,
    .atomic_batch = true,
    .open = sqlite_open,
    .close = sqlite_close,
    .get_many = sqlite_get_many,
    .apply = sqlite_apply,
    .scan = sqlite_scan,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_STORAGE, .name = "sqlite", .version = IOTIFY_VERSION,
    .summary = "one SQLite file, durable on every commit", .settings = &settings,
    .operations = &operations, .libraries = sqlite_libraries);
