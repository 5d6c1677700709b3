// SPDX-License-Identifier: Apache-2.0
// Calls of the template's functions: states, the current turn, batches, promises, and the requests
// of a function to its device.
(function (native, runtime) {
    'use strict';

    const { turns } = native;
    const { stringify } = runtime;
    const { SLOT, CLIENT, ITERATION, AT, TRACKED, SETTLED, LISTENERS, BATCH, ENTRY } = native.names;
    const { NOTHING, A_STRING, SOMETHING_ELSE, THROWN, PENDING } = native.names;
    const { PUBLISH, RETURN, DISCONNECT, DROP, RECONNECT, ASSERT, FINISH } = native.names;
    const { MESSAGE, RESPONSE } = native.names;
    const { job, clients, repeat, interval, settings, functions, waitLimit } = native.facts;

    /* -------------------------------------------------------------- states and rows */

    const states = [];
    let rows;
    const rowsOf = [];
    runtime.addState = (client) => {
        states.push({});
        runtime.addGenerator(states.length, client);
        if (rows) rowsOf[states.length - 1] = rows[client];
        if (stages) stageOf.push(0);
    };
    // The delimiter of the first row: a comma, unless another one is more frequent.
    const delimiterOf = (text) => {
        const head = (/^\s*(.*)/.exec(text)?.[1] ?? '').replace(/"(?:[^"]|"")*"/g, '');
        const count = (delimiter) => head.split(delimiter).length;
        return [',', ';', '\t', '|'].reduce((a, b) => count(b) > count(a) ? b : a);
    };
    // The first row names the columns.
    const readCsv = (text, broken) => {
        const found = [];
        let names, from = 0;
        // Papa reports where a row ends. Rows may contain line breaks; blank lines are skipped.
        const fail = (why) => {
            const start = from + /^\s*/.exec(text.slice(from))[0].length;
            throw broken(text.slice(0, start).split(/\r\n|\r|\n/).length, why);
        };
        runtime.requireOwn('papaparse').parse(text, {
            delimiter: delimiterOf(text),
            step: ({ data, errors, meta: { cursor } }) => {
                const written = text.slice(from, cursor);
                if (written.trim() === '') {
                    from = cursor;
                    return;
                }
                const wrong = errors.find((one) => one.code !== 'UndetectableDelimiter');
                if (wrong) fail(wrong.message);
                if (names === undefined) {
                    const twice = data.find((name, at) => data.indexOf(name) !== at);
                    if (twice !== undefined) fail(`two columns have the name "${twice}"`);
                    names = data;
                } else if (data.length === names.length) {
                    found.push(Object.fromEntries(names.map((name, at) => [name, data[at]])));
                } else {
                    fail(`Too ${data.length < names.length ? 'few' : 'many'} fields: expected ` +
                        `${names.length} fields but parsed ${data.length}`);
                }
                from = cursor;
            },
        });
        return found;
    };
    // Reads the rows of a `data:` file, one per client from 0 on; returns their number.
    runtime.readRows = (text, isCsv, name) => {
        const broken = (line, why) => new SyntaxError(`${name}:${line}: ${why}`);
        if (isCsv) {
            rows = readCsv(text, broken);
        } else {
            rows = [];
            text.split('\n').forEach((line, at) => {
                if (line.trim() === '') return;
                let value;
                try {
                    value = JSON.parse(line);
                } catch (error) {
                    throw broken(at + 1, error.message);
                }
                if (value === null || typeof value !== 'object' || Array.isArray(value))
                    throw broken(at + 1, 'not a JSON object');
                rows.push(value);
            });
        }
        return rows.length;
    };
    // Each state has its row by now: release the others.
    runtime.dropRows = () => { rows = undefined; };
    runtime.showRow = (client) => rows && stringify(rows[client]);
    const row = () => {
        const own = rowsOf[turns[SLOT]];
        return own === undefined && rows ? rows[turns[CLIENT]] : own;
    };

    /* -------------------------------------------------------------- requests to a device */

    const act = (kind, ...values) => {
        const refused = native.act(kind, ...values);
        if (refused !== undefined) throw new Error(refused);
    };
    const isPayload = (value) => typeof value === 'string' || value instanceof Uint8Array;
    const send = (what, kind, topic, payload, { qos, retain } = {}) => {
        if (topic !== undefined &&
            (typeof topic !== 'string' || topic === '' || topic.includes('\0')))
            throw new TypeError(`${what}: the topic is a string that is not empty`);
        if (!isPayload(payload))
            throw new TypeError(`${what}: the payload is a string or a Buffer; use ` +
                'JSON.stringify(…) for an object');
        if (qos !== undefined && qos !== 0 && qos !== 1)
            throw new RangeError(`${what}: qos is 0 or 1`);
        if (retain !== undefined && typeof retain !== 'boolean')
            throw new TypeError(`${what}: retain is true or false`);
        act(kind, topic, payload, qos === undefined ? -1 : qos,
            retain === undefined ? -1 : Number(retain));
    };
    const publish = (topic, payload, options) => {
        if (topic === undefined) throw new TypeError('publish: the topic is missing');
        send('publish', PUBLISH, topic, payload, options ?? {});
    };
    // The return value of message() as one payload or nothing; sends each item of a list by itself.
    const deliver = (value) => {
        if (!Array.isArray(value)) return value;
        for (const item of value) {
            if (isPayload(item)) send('message', RETURN, undefined, item);
            else if (item !== null && typeof item === 'object' && 'payload' in item)
                send('message', RETURN, item.topic, item.payload, item);
            else if (item !== null && item !== undefined)
                throw new TypeError('a message of the list is a string, a Buffer or {topic, ' +
                    'payload, qos, retain}');
        }
        return undefined;
    };
    runtime.deliver = deliver;

    const define = (name, value) => Object.defineProperty(globalThis, name,
        { value, writable: true, configurable: true, enumerable: false });
    // Created on first use: packages take time and memory to load.
    const later = (name, make) => Object.defineProperty(globalThis, name, {
        get: () => {
            const value = make();
            define(name, value);
            return value;
        },
        set: (value) => define(name, value), configurable: true, enumerable: false,
    });

    runtime.client = () => turns[CLIENT];
    const iteration = () => turns[ITERATION];

    define('publish', publish);
    define('disconnect', ({ clean = true } = {}) => act(clean ? DISCONNECT : DROP));
    define('reconnect', () => act(RECONNECT));
    define('assert', (condition, message) => {
        if (condition) return;
        act(ASSERT, message === undefined ? 'assertion failed' : runtime.show(message), new Error().stack);
    });

    /* -------------------------------------------------------------- metrics */

    // User metrics: per name the count, sum, minimum, maximum and distribution since the last
    // takeMetrics(). The buckets are those of core/report/distribution.h.
    let metrics = new Map();
    const bucketOf = (number) => number === 0 ? 0
        : Math.sign(number) * (Math.round(200 * Math.log(Math.abs(number))) + 150000);
    const metric = {
        add: (name, value = 1) => {
            const number = Number(value);
            if (typeof name !== 'string' || !/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(name))
                throw new TypeError('metric.add: a name is at most 64 letters, digits and _.-, ' +
                    'and begins with a letter');
            if (!Number.isFinite(number))
                throw new TypeError(`metric.add: the value of ${name} is not a number`);
            const known = metrics.get(name), bucket = bucketOf(number);
            if (known === undefined) {
                if (metrics.size >= 1000) throw new RangeError('metric.add: too many names');
                metrics.set(name, [1, number, number, number, new Map([[bucket, 1]])]);
                return;
            }
            known[4].set(bucket, (known[4].get(bucket) ?? 0) + 1);
            known[0]++;
            known[1] = Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, known[1] + number));
            if (number < known[2]) known[2] = number;
            if (number > known[3]) known[3] = number;
        },
    };
    runtime.takeMetrics = () => {
        if (metrics.size === 0) return undefined;
        for (const known of metrics.values()) known[4] = [...known[4]].flat();
        const text = stringify(Object.fromEntries(metrics));
        metrics = new Map();
        return text;
    };

    /* -------------------------------------------------------------- stages */

    let stages;
    const stageOf = [];
    // Replaces message(): one function per stage, in the order of the names.
    runtime.makeStages = (names, functions) => {
        stages = names;
        states.forEach(() => stageOf.push(0));
        return (state) => functions[stageOf[turns[SLOT]]](state);
    };
    define('next', (name) => {
        if (!stages) throw new Error('next: the template has no stages');
        if (name === 'Finished') {
            act(FINISH);
            return;
        }
        const at = stages.indexOf(name);
        if (at < 0)
            throw new Error(`next: unknown stage "${name}" (expected one of ${stages.join(', ')} ` +
                'and Finished)');
        stageOf[turns[SLOT]] = at;
    });

    /* -------------------------------------------------------------- promises */

    const isPromise = (value) => value !== null && typeof value === 'object' &&
        typeof value.then === 'function';
    // Calls that wait for a promise, oldest first, and calls that have settled since.
    const tracked = new Map();
    const settled = [];
    let lastCall = 0;
    const addSettled = (call) => {
        settled.push(call);
        turns[SETTLED] = settled.length;
    };
    const newCall = (which) => ({
        id: 0, which, slot: turns[SLOT], client: turns[CLIENT], iteration: turns[ITERATION],
        since: 0, failed: false, code: undefined, value: undefined,
    });
    const drop = (id) => {
        const known = tracked.delete(id);
        turns[TRACKED] = tracked.size;
        return known;
    };
    const end = (call, failed, value, code) => {
        if (!drop(call.id)) return;
        call.failed = failed;
        call.value = value;
        call.code = code;
        addSettled(call);
    };
    // The script threw no error here; this one is reported with a code of its own.
    const fail = (call, text) =>
        end(call, true, `${functions[call.which]}() ${text}`, 'PromiseNotSettled');
    const OwnPromise = Promise;
    const track = (which, promise) => {
        const call = newCall(which);
        call.id = ++lastCall;
        call.since = native.now();
        tracked.set(call.id, call);
        turns[TRACKED] = tracked.size;
        // The handlers run in the turn of the call.
        new OwnPromise((resolve) => resolve(promise)).then((value) => {
            // A limit has ended the call.
            if (!tracked.has(call.id)) return;
            try {
                end(call, false, which === MESSAGE ? deliver(value) : value);
            } catch (error) {
                end(call, true, error);
            }
        }, (error) => end(call, true, error));
        return call.id;
    };
    runtime.track = track;
    // The settled call with this number; 0: the first one.
    runtime.takeSettled = (id) => {
        const at = id === 0 ? 0 : settled.findIndex((call) => call.id === id);
        const [call] = at < 0 ? [] : settled.splice(at, 1);
        turns[SETTLED] = settled.length;
        return call;
    };
    runtime.dropCall = drop;
    runtime.expireCalls = (now) => {
        for (const call of tracked.values()) {
            if (now - call.since < waitLimit) return;
            fail(call, `has waited for a promise for ${waitLimit} s, which is wait_limit`);
        }
    };
    // Nothing is in progress that could settle these calls.
    runtime.giveUp = () => {
        for (const call of tracked.values()) fail(call, 'waits for a promise that nothing settles');
    };
    // A limit ended the code that ran for these calls.
    runtime.cutCalls = (slot, code, text) => {
        const cut = [...tracked.values()].filter((call) => call.slot === slot);
        for (const call of cut) end(call, true, text, code);
        return cut.length > 0;
    };
    // A promise was rejected and has no handler.
    runtime.rejected = (promise, reason) => {
        const call = newCall(RESPONSE);
        call.failed = true;
        call.value = reason;
        addSettled(call);
    };

    /* -------------------------------------------------------------- calls */

    // message() for many clients in one call from C. The texts are also joined: converting one
    // long text is cheaper than many short ones. A promise ends the round, so that code that waits
    // for it runs while its turn is still the current one.
    const results = [];
    runtime.runMessages = (message, count) => {
        let all = '';
        let at = turns[AT];
        for (let round = true; round && at < count; turns[AT] = ++at) {
            const entry = BATCH + ENTRY * at;
            const slot = turns[SLOT] = turns[entry];
            turns[CLIENT] = turns[entry + 1];
            turns[ITERATION] = turns[entry + 2];
            try {
                const value = message(states[slot]);
                if (typeof value === 'string') {
                    all += value;
                    results[at] = value;
                    turns[entry] = A_STRING;
                    turns[entry + 2] = value.length;
                } else if (value === undefined || value === null) {
                    turns[entry] = NOTHING;
                } else if (isPromise(value)) {
                    turns[entry + 2] = track(MESSAGE, value);
                    turns[entry] = PENDING;
                    round = false;
                } else {
                    results[at] = deliver(value);
                    turns[entry] = results[at] === undefined ? NOTHING : SOMETHING_ELSE;
                }
            } catch (error) {
                results[at] = error;
                turns[entry] = THROWN;
            }
        }
        return all;
    };

    // Listeners get each message before response(); true from one keeps it from response().
    const listeners = [];
    runtime.listen = (listener) => {
        listeners.push(listener);
        turns[LISTENERS] = listeners.length;
    };
    runtime.receive = (topic, bytes, response, status, fields) => {
        const payload = runtime.Buffer.from(bytes.buffer);
        if (status !== undefined) {
            payload.status = status;
            payload.headers = {};
            for (let i = 0; i < fields.length; i += 2)
                payload.headers[fields[i].toLowerCase()] = fields[i + 1];
        }
        for (const listener of listeners) if (listener(topic, payload)) return undefined;
        return response ? response(topic, payload, states[turns[SLOT]]) : undefined;
    };

    /* -------------------------------------------------------------- global names */

    // The client id of the connection settings, for helpers that use it in topics.
    let idParts = [];
    runtime.setClientId = (parts) => { idParts = parts; };
    const clientId = () => idParts.map((part) =>
        typeof part === 'function' ? part(states[turns[SLOT]]) : part).join('');
    // `this` of the template's functions.
    const self = Object.freeze(Object.defineProperty({}, 'clientId', {
        get: clientId, enumerable: true,
    }));
    runtime.bind = (body) => body.bind(self);

    define('console', runtime.console);
    define('glob', runtime.glob);
    define('mailbox', runtime.mailbox);
    define('metric', Object.freeze(metric));
    define('client', runtime.client);
    define('index', iteration);
    define('iteration', iteration);
    define('jobId', () => job);
    define('jobClients', () => clients);
    define('jobRepeat', () => repeat);
    define('jobInterval', () => interval);
    define('getRunSettings', () => JSON.parse(settings));
    define('volatile', runtime.volatile);
    define('drive', runtime.drive);
    define('location', runtime.location);
    define('performance', Object.freeze({ now: () => native.now() * 1000 }));
    define('require', runtime.require);
    later('Buffer', () => runtime.Buffer);
    for (const [name, make] of Object.entries(runtime.web)) later(name, make);
    // One Chance object for all clients: it draws from the sequence of the client of the turn.
    later('chance', () => new (runtime.requireOwn('chance'))(runtime.random));
    later('Chance', () => runtime.requireOwn('chance').Chance);
    later('moment', () => runtime.requireOwn('moment'));
    later('geolib', () => runtime.requireOwn('geolib'));
    later('jwt', () => runtime.requireOwn('jsonwebtoken'));
    Object.defineProperty(globalThis, 'device', {
        get: row, set: (value) => define('device', value), configurable: true, enumerable: false,
    });

    // A connector's helpers: `make` gets the functions it may use, and returns the global names.
    runtime.addHelpers = (make) => {
        const helpers = make({
            publish: (topic, payload) => send('publish', PUBLISH, topic, payload), listen: runtime.listen,
            wait: runtime.wait, clientId, slot: () => turns[SLOT], now: native.now,
            measure: metric.add, random: runtime.random,
        });
        for (const [name, value] of Object.entries(helpers)) define(name, value);
    };

    Object.assign(runtime, { states, results, showState: (slot) => JSON.stringify(states[slot]) });
})
