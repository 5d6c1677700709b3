// The runtime of templates. Runs once in each new machine, before any user code.
// `native` holds what C provides; it is not visible to templates.
(function (native) {
    'use strict';

    const stringify = JSON.stringify;
    const hidden = (key) => typeof key === 'string' && key.startsWith('__$');

    // Keys that begin with __$ stay out of every JSON text, at any depth. Most texts hold none,
    // so look first and pay for the replacer only where it is needed.
    JSON.stringify = function (value, replacer, space) {
        const text = stringify(value, replacer, space);
        if (typeof text !== 'string' || !text.includes('__$')) return text;
        if (Array.isArray(replacer))
            return stringify(value, replacer.filter((key) => !hidden(key)), space);
        return stringify(value, function (key, item) {
            if (hidden(key)) return undefined;
            return typeof replacer === 'function' ? replacer.call(this, key, item) : item;
        }, space);
    };

    const encodeUtf8 = (text) => {
        const bytes = [];
        for (const character of text) {
            let code = character.codePointAt(0);
            if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
            if (code < 0x80) bytes.push(code);
            else if (code < 0x800) bytes.push(0xc0 | code >> 6, 0x80 | code & 63);
            else if (code < 0x10000)
                bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63);
            else
                bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63,
                    0x80 | code & 63);
        }
        return bytes;
    };

    // One character from `at`: its code and how many bytes it took; what is not UTF-8 reads as
    // U+FFFD, byte by byte.
    const decodeOne = (bytes, at) => {
        const first = bytes[at];
        const size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 &&
            first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
        if (size === 1) return [first, 1];
        if (size === 0 || at + size > bytes.length) return [0xfffd, 1];
        let code = first & (0x7f >> size);
        for (let i = 1; i < size; i++) {
            if ((bytes[at + i] & 0xc0) !== 0x80) return [0xfffd, 1];
            code = code << 6 | bytes[at + i] & 63;
        }
        const least = [0, 0, 0x80, 0x800, 0x10000][size];
        if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return [0xfffd, 1];
        return [code, size];
    };

    const decodeUtf8 = (bytes) => {
        let text = '';
        for (let at = 0; at < bytes.length;) {
            const [code, size] = decodeOne(bytes, at);
            text += String.fromCodePoint(code);
            at += size;
        }
        return text;
    };

    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

    const encodeBase64 = (bytes) => {
        let text = '';
        for (let i = 0; i < bytes.length; i += 3) {
            const group = bytes[i] << 16 | (bytes[i + 1] || 0) << 8 | (bytes[i + 2] || 0);
            text += alphabet[group >> 18] + alphabet[group >> 12 & 63] +
                (i + 1 < bytes.length ? alphabet[group >> 6 & 63] : '=') +
                (i + 2 < bytes.length ? alphabet[group & 63] : '=');
        }
        return text;
    };

    const decodeBase64 = (text) => {
        const bytes = [];
        let bits = 0, count = 0;
        for (const character of text.replace(/-/g, '+').replace(/_/g, '/')) {
            const value = alphabet.indexOf(character);
            if (value < 0) continue;
            bits = (bits << 6 | value) & 0xffffff;
            count += 6;
            if (count >= 8) {
                count -= 8;
                bytes.push(bits >> count & 255);
            }
        }
        return bytes;
    };

    const decodeHex = (text) => {
        const bytes = [];
        for (let i = 0; i + 1 < text.length; i += 2) {
            const value = Number.parseInt(text.slice(i, i + 2), 16);
            if (Number.isNaN(value)) break;
            bytes.push(value);
        }
        return bytes;
    };

    class Buffer extends Uint8Array {
        static from(value, encoding) {
            if (typeof value !== 'string') return super.from(value);
            if (encoding === 'hex') return super.from(decodeHex(value));
            if (encoding === 'base64') return super.from(decodeBase64(value));
            return super.from(encodeUtf8(value));
        }
        static alloc(size, fill) {
            return new Buffer(size).fill(fill || 0);
        }
        static isBuffer(value) {
            return value instanceof Buffer;
        }
        toString(encoding) {
            if (encoding === 'hex')
                return Array.from(this, (byte) => byte.toString(16).padStart(2, '0')).join('');
            if (encoding === 'base64') return encodeBase64(this);
            return decodeUtf8(this);
        }
    }

    // What console.log shows of a value: text as it is, all else as JSON without hidden keys.
    const show = (value) => {
        if (typeof value === 'string') return value;
        if (value instanceof Error) return String(value);
        if (value instanceof Buffer) return value.toString();
        if (typeof value === 'function') return `[function ${value.name}]`;
        try {
            const text = JSON.stringify(value);
            return text === undefined ? String(value) : text;
        } catch (error) {
            return String(value);
        }
    };
    const print = (level) => (...values) => native.console(level, values.map(show).join(' '));
    const console = {
        error: print(0), warn: print(1), log: print(2), info: print(2), debug: print(3),
    };

    // Strings are stored as they are; all other JSON values behind a mark.
    const MARK = '\u0001';
    const pack = (value) => {
        // A text that UTF-8 or C cannot hold as it is goes as JSON, which escapes it.
        if (typeof value === 'string' && !value.startsWith(MARK) &&
            !/[\0\ud800-\udfff]/u.test(value)) return value;
        const text = stringify(value);
        if (text === undefined) throw new TypeError('glob.set: the value is not JSON');
        return MARK + text;
    };
    const unpack = (text) => {
        if (typeof text !== 'string' || !text.startsWith(MARK)) return text;
        return JSON.parse(text.slice(1));
    };
    const needKey = (key) => {
        if (typeof key !== 'string' || key === '' || key.includes('\0'))
            throw new TypeError('a glob key is a string that is not empty');
        return key;
    };
    const answer = (callback, value) => {
        if (typeof callback !== 'function') return value;
        callback(null, value);
        return undefined;
    };
    const glob = {
        get: (key, callback) => answer(callback, unpack(native.globGet(needKey(key)))),
        set: (key, value, callback) => answer(callback, native.globSet(needKey(key), pack(value))),
        delete: (key, callback) => answer(callback, native.globDelete(needKey(key))),
    };

    const { job, clients, repeat, interval, seed } = native.facts;

    // Whose turn it is: struct turns of script_machine.h.
    const turns = native.turns;
    const SLOT = 0, CLIENT = 1, ITERATION = 2, AT = 3, BATCH = 4, ENTRY = 3;
    const NOTHING = 0, A_STRING = 1, SOMETHING_ELSE = 2, THROWN = 3;
    const client = () => turns[CLIENT];
    const iteration = () => turns[ITERATION];

    // A generator for each client, so that a seed makes every run the same, however the clients
    // are spread over machines. Place 0 serves whoever has no state.
    const mix = (number) => {
        let t = Math.imul(number ^ number >>> 16, 0x21f0aaad);
        t = Math.imul(t ^ t >>> 15, 0x735a2d97);
        return t ^ t >>> 15;
    };
    let generators = new Uint32Array(64);
    generators[0] = mix(seed);
    const random = () => {
        const place = turns[SLOT] + 1;
        const next = generators[place] = generators[place] + 0x6d2b79f5;
        let t = Math.imul(next ^ next >>> 15, 1 | next);
        t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
        return ((t ^ t >>> 14) >>> 0) / 4294967296;
    };
    Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true });

    const states = [];
    const addState = (number) => {
        states.push({});
        if (states.length >= generators.length) {
            const more = new Uint32Array(generators.length * 2);
            more.set(generators);
            generators = more;
        }
        generators[states.length] = mix(mix(seed) + number);
    };

    // A bounded random walk for each client and key. A small object takes a quarter of a Map.
    const walks = [];
    const volatile = ({ key = '', min, max, delta }) => {
        const place = turns[SLOT] + 1;
        const walk = walks[place] || (walks[place] = { __proto__: null });
        const step = delta === undefined ? (max - min) / 10 : delta;
        const before = walk[key];
        const value = before === undefined ? min + random() * (max - min)
            : Math.min(max, Math.max(min, before + (random() * 2 - 1) * step));
        walk[key] = value;
        return value;
    };

    // What users measure: by name the count, sum, least and greatest value since they were taken.
    let metrics = new Map();
    const metric = {
        add: (name, value = 1) => {
            const number = Number(value);
            if (typeof name !== 'string' || !/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(name))
                throw new TypeError('metric.add: a name is at most 64 letters, digits and _.-, ' +
                    'and begins with a letter');
            if (!Number.isFinite(number))
                throw new TypeError(`metric.add: the value of ${name} is no number`);
            const known = metrics.get(name);
            if (known === undefined) {
                if (metrics.size >= 1000) throw new RangeError('metric.add: too many names');
                metrics.set(name, [1, number, number, number]);
                return;
            }
            known[0]++;
            known[1] += number;
            if (number < known[2]) known[2] = number;
            if (number > known[3]) known[3] = number;
        },
    };
    const takeMetrics = () => {
        if (metrics.size === 0) return undefined;
        const text = stringify(Object.fromEntries(metrics));
        metrics = new Map();
        return text;
    };

    // message() for many clients in one call from C. The texts are also joined: converting one
    // long text is cheaper than many short ones.
    const results = [];
    const runMessages = (message, count) => {
        let all = '';
        for (let at = turns[AT]; at < count; turns[AT] = ++at) {
            const entry = BATCH + ENTRY * at;
            const slot = turns[SLOT] = turns[entry];
            turns[CLIENT] = turns[entry + 1];
            turns[ITERATION] = turns[entry + 2];
            try {
                const value = message(states[slot]);
                results[at] = value;
                if (typeof value === 'string') {
                    all += value;
                    turns[entry] = A_STRING;
                    turns[entry + 2] = value.length;
                } else {
                    turns[entry] = value === undefined || value === null ? NOTHING : SOMETHING_ELSE;
                }
            } catch (error) {
                results[at] = error;
                turns[entry] = THROWN;
            }
        }
        return all;
    };

    const define = (name, value) => Object.defineProperty(globalThis, name,
        { value, writable: true, configurable: true, enumerable: false });
    define('Buffer', Buffer);
    define('console', console);
    define('glob', Object.freeze(glob));
    define('client', client);
    define('index', iteration);
    define('iteration', iteration);
    define('jobId', () => job);
    define('jobClients', () => clients);
    define('jobRepeat', () => repeat);
    define('jobInterval', () => interval);
    define('volatile', volatile);
    define('metric', Object.freeze(metric));

    return {
        states, results, addState, runMessages, takeMetrics,
        makeBuffer: (bytes) => Buffer.from(bytes),
        showState: (slot) => JSON.stringify(states[slot]),
    };
})
