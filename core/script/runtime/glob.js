// SPDX-License-Identifier: Apache-2.0
// The glob, and mailboxes in it. Without a callback, glob.get, set and delete use the run's view of
// the store, which native keeps. Requests with a callback or promise are answered later, by token.
(function (native, runtime) {
    'use strict';

    const { turns } = native;
    const { stringify } = runtime;
    const { SLOT, CLIENT, ITERATION, WAITING } = native.names;
    const { PUT, DELETE, GET, LIST, ADD, SWAP, FLUSH, POST, POP, COUNT, DUMP, CLEAR } =
        native.globKinds;

    // Strings are stored unchanged; other JSON values are stored after a mark.
    const MARK = '\u0001';
    const pack = (value, what) => {
        // A string that UTF-8 or C cannot represent is stored as JSON, which escapes it.
        if (typeof value === 'string' && !value.startsWith(MARK) &&
            !/[\0\ud800-\udfff]/u.test(value)) return value;
        const text = stringify(value);
        if (text === undefined) throw new TypeError(`${what}: the value is not JSON`);
        return MARK + text;
    };
    const unpack = (text) => {
        if (typeof text !== 'string' || !text.startsWith(MARK)) return text;
        return JSON.parse(text.slice(1));
    };
    const packMaybe = (value, what) =>
        value === undefined ? undefined : pack(value, what);

    const needKey = (key) => {
        if (typeof key !== 'string' || key === '' || key.includes('\0'))
            throw new TypeError('a glob key is a string that is not empty');
        return key;
    };
    const isCallback = (what, callback) => {
        if (callback === undefined || callback === null) return false;
        if (typeof callback !== 'function')
            throw new TypeError(`${what}: the callback is not a function`);
        return true;
    };

    // The pending requests by token, each with the turn in which it was made.
    const waiters = new Map();
    // Deadlines of the requests made with wait().
    const deadlines = new Map();
    let lastToken = 0;
    const expect = (settle) => {
        waiters.set(++lastToken, {
            settle, slot: turns[SLOT], client: turns[CLIENT], iteration: turns[ITERATION],
        });
        turns[WAITING]++;
        return lastToken;
    };
    const forget = (token) => {
        waiters.delete(token);
        deadlines.delete(token);
        turns[WAITING]--;
    };
    // Delivers the answer to a request, in the turn in which the request was made.
    runtime.answer = (token, error, value) => {
        const waiter = waiters.get(token);
        if (waiter === undefined) return;
        forget(token);
        turns[SLOT] = waiter.slot;
        turns[CLIENT] = waiter.client;
        turns[ITERATION] = waiter.iteration;
        waiter.settle(error === undefined ? null : new Error(error), value);
    };
    // Sends a request; settle(error, value) gets the answer.
    const ask = (settle, kind, key, value, expected, number) => {
        const token = expect(settle);
        try {
            native.globAsk(kind, token, key, value, expected, number);
        } catch (error) {
            forget(token);
            throw error;
        }
    };
    const promise = (...request) => new Promise((resolve, reject) =>
        ask((error, value) => error ? reject(error) : resolve(value), ...request));

    // IoTIFY's callbacks have one parameter, the result, which is falsy after an error; the error
    // is then reported as the script's own. Callbacks with two get (error, value).
    const answerTo = (callback, read) => (error, value) => {
        if (callback.length !== 1) {
            callback(error, error ? undefined : read(value));
            return;
        }
        if (error) runtime.rejected(undefined, error);
        callback(error ? undefined : read(value));
    };
    const doneTo = (callback) => (error) => {
        if (callback.length !== 1) {
            callback(error);
            return;
        }
        if (error) runtime.rejected(undefined, error);
        callback(!error);
    };
    // True: the write is queued. Without a callback, one that fails is reported at the end.
    const write = (what, kind, key, text, callback) => {
        if (isCallback(what, callback)) ask(doneTo(callback), kind, key, text);
        else native.globWrite(kind, key, text);
        return true;
    };

    runtime.glob = Object.freeze({
        get: (key, callback) => {
            if (!isCallback('glob.get', callback)) return unpack(native.globRead(needKey(key)));
            ask(answerTo(callback, unpack), GET, needKey(key));
            return undefined;
        },
        set: (key, value, callback) =>
            write('glob.set', PUT, needKey(key), pack(value, 'glob.set'), callback),
        delete: (key, callback) => write('glob.delete', DELETE, needKey(key), undefined, callback),
        list: (prefix = '') => {
            if (typeof prefix !== 'string') throw new TypeError('glob.list: a prefix is a string');
            return promise(LIST, prefix);
        },
        increment: (key, by = 1) => {
            if (typeof by !== 'number' || !Number.isFinite(by))
                throw new TypeError('glob.increment: the increment is not a number');
            return promise(ADD, needKey(key), undefined, undefined, by);
        },
        compareAndSet: (key, expected, value) => promise(SWAP, needKey(key),
            packMaybe(value, 'glob.compareAndSet'), packMaybe(expected, 'glob.compareAndSet')),
        flush: () => promise(FLUSH),
    });

    // Each message of a mailbox is an entry of the glob, named so that the order of the names is
    // the order of the messages, the last one first.
    const box = (name) => {
        if (typeof name !== 'string' || name === '')
            throw new TypeError('the name of a mailbox is a string that is not empty');
        return `mailbox/${encodeURIComponent(name)}/`;
    };
    const inquire = (what, kind, name, read, callback) => {
        if (!isCallback(what, callback)) return read(native.globWait(kind, box(name)));
        ask(answerTo(callback, read), kind, box(name));
        return undefined;
    };
    runtime.mailbox = Object.freeze({
        post: (name, value, callback) => write('mailbox.post', POST, box(name),
            pack(value, 'mailbox.post'), callback),
        pop: (name, callback) => inquire('mailbox.pop', POP, name, unpack, callback),
        count: (name, callback) => inquire('mailbox.count', COUNT, name, Number, callback),
        dump: (name, callback) =>
            inquire('mailbox.dump', DUMP, name, (texts) => texts.map(unpack), callback),
        delete: (name, callback) => write('mailbox.delete', CLEAR, box(name), undefined, callback),
    });

    // A promise that is rejected unless it settles within `seconds`: {promise, resolve, reject}.
    runtime.wait = (seconds, what) => {
        const wait = {};
        wait.promise = new Promise((resolve, reject) => {
            const token = expect((error, value) => error ? reject(error) : resolve(value));
            wait.resolve = (value) => {
                if (!waiters.has(token)) return;
                forget(token);
                resolve(value);
            };
            wait.reject = (error) => {
                if (!waiters.has(token)) return;
                forget(token);
                reject(error);
            };
            deadlines.set(token, { at: native.now() + seconds,
                text: `${what}: no answer within ${seconds} s` });
        });
        return wait;
    };
    // Ends calls, and at most one wait(), that have reached their limit; true: there may be more.
    runtime.expire = () => {
        const now = native.now();
        runtime.expireCalls(now);
        for (const [token, { at, text }] of deadlines) {
            if (at > now) continue;
            runtime.answer(token, text);
            return true;
        }
        return false;
    };
})
