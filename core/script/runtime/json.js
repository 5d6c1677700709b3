// SPDX-License-Identifier: Apache-2.0
// Values as text: JSON without hidden keys, and the formats of console.
(function (native, runtime) {
    'use strict';

    const stringify = JSON.stringify;
    const hidden = (key) => String(key).startsWith('__$');

    // Keys that begin with __$ are left out of every JSON text, at any depth. Most texts contain
    // none, so check first and use the replacer only where it is needed. Searching for one
    // character costs a tenth of searching for three.
    JSON.stringify = function (value, replacer, space) {
        const text = replacer === undefined && space === undefined ? stringify(value)
            : stringify(value, replacer, space);
        if (typeof text !== 'string' || text.indexOf('$') < 0 || !text.includes('__$'))
            return text;
        if (Array.isArray(replacer))
            return stringify(value, replacer.filter((key) => !hidden(key)), space);
        return stringify(value, function (key, item) {
            if (hidden(key)) return undefined;
            return typeof replacer === 'function' ? replacer.call(this, key, item) : item;
        }, space);
    };

    // Strings unchanged, most other values as JSON without hidden keys.
    const show = (value) => {
        if (typeof value === 'string') return value;
        if (value instanceof Error) return String(value);
        if (value instanceof Uint8Array) return runtime.Buffer.from(value).toString();
        if (typeof value === 'function') return `[function ${value.name}]`;
        if (value instanceof Map) return `Map ${show(Object.fromEntries(value))}`;
        if (value instanceof Set) return `Set ${show([...value])}`;
        if (typeof value === 'bigint') return `${value}n`;
        try {
            const text = JSON.stringify(value);
            return text === undefined ? String(value) : text;
        } catch (error) {
            return String(value);
        }
    };

    // %s, %d, %i, %f, %j, %o, %O and %% as Node's util.format has them.
    const format = (...values) => {
        let at = 0;
        let text = '';
        if (typeof values[0] === 'string') {
            at = 1;
            text = values[0].replace(/%[sdifjoO%]/g, (mark) => {
                if (mark === '%%') return values.length > 1 ? '%' : mark;
                if (at >= values.length) return mark;
                const value = values[at++];
                if (mark === '%d') return String(Number(value));
                if (mark === '%i') return String(Number.parseInt(value, 10));
                if (mark === '%f') return String(Number.parseFloat(value));
                return show(value);
            });
        }
        const rest = values.slice(at).map(show);
        return (at ? [text, ...rest] : rest).join(' ');
    };

    const counts = new Map();
    const timers = new Map();
    const indents = new Map();
    const print = (level) => (...values) =>
        native.console(level, ((indents.get(runtime.client()) || '') + format(...values))
            .replaceAll('\0', '\\0'));
    const log = print(2);
    // Each client has labels of its own.
    const own = (label = 'default') => `${runtime.client()} ${label}`;
    const elapsed = (label) => {
        const began = timers.get(own(label));
        return began === undefined ? undefined
            : `${label ?? 'default'}: ${((native.now() - began) * 1000).toFixed(3)}ms`;
    };
    const time = (label, ...rest) => {
        const text = elapsed(label);
        if (text !== undefined) log(text, ...rest);
    };
    runtime.console = {
        error: print(0), warn: print(1), log, info: log, debug: print(3), dir: (value) => log(value),
        table: (rows) => log(rows),
        trace: (...values) => log('Trace:', ...values),
        assert: (condition, ...values) => {
            if (!condition) print(0)('Assertion failed:', ...values);
        },
        count: (label) => {
            const count = (counts.get(own(label)) || 0) + 1;
            counts.set(own(label), count);
            log(`${label ?? 'default'}: ${count}`);
        },
        countReset: (label) => counts.delete(own(label)),
        time: (label) => timers.set(own(label), native.now()),
        timeLog: time,
        timeEnd: (label) => {
            time(label);
            timers.delete(own(label));
        },
        group: (...values) => {
            if (values.length) log(...values);
            indents.set(runtime.client(), `${indents.get(runtime.client()) || ''}  `);
        },
        groupEnd: () =>
            indents.set(runtime.client(), (indents.get(runtime.client()) || '').slice(2)),
    };
    Object.assign(runtime, { stringify, show, format });
})
