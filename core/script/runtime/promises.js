// SPDX-License-Identifier: Apache-2.0
// Promises that keep the turn: code that waits for one resumes as the client that waited, even if
// another client settles it. `await` calls then() only if the constructor is not JavaScriptCore's own.
(function (native, runtime) {
    'use strict';

    const { turns } = native;
    const { SLOT, CLIENT, ITERATION, RESUMPTIONS } = native.names;
    // These run or wait where no limit reaches them.
    for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics']) delete globalThis[name];

    const Native = Promise;
    const { then } = Native.prototype;

    const goOn = ({ handler, value, failed, resolve, reject }) => {
        try {
            if (typeof handler === 'function') resolve(handler(value));
            else if (failed) reject(value);
            else resolve(value);
        } catch (error) {
            reject(error);
        }
    };
    // A list of reactions that resume in a turn other than the current one; native resumes each.
    let first, last;
    const goOnLater = (reaction) => {
        if (first === undefined) first = reaction;
        else last.next = reaction;
        last = reaction;
        turns[RESUMPTIONS]++;
    };
    runtime.resume = () => {
        const reaction = first;
        first = reaction.next;
        turns[RESUMPTIONS]--;
        turns[SLOT] = reaction.slot;
        turns[CLIENT] = reaction.client;
        turns[ITERATION] = reaction.iteration;
        goOn(reaction);
    };

    // All pending reactions. A limit that ends a function also discards what the script engine was
    // about to run for others: recover() attaches these again. Unreachable reactions are dropped.
    const waiting = new Set();
    let sweepAt = 1024;
    const sweep = () => {
        for (const one of waiting) if (one.deref() === undefined) waiting.delete(one);
        sweepAt = Math.max(1024, waiting.size * 2);
    };
    const attach = (reaction) => {
        const react = (handler, value, failed) => {
            if (reaction.done) return;
            reaction.done = true;
            waiting.delete(reaction.weak);
            reaction.handler = handler;
            reaction.value = value;
            reaction.failed = failed;
            if (turns[SLOT] === reaction.slot && turns[CLIENT] === reaction.client &&
                turns[ITERATION] === reaction.iteration) goOn(reaction);
            else goOnLater(reaction);
        };
        then.call(reaction.promise, (value) => react(reaction.onFulfilled, value, false),
            (reason) => react(reaction.onRejected, reason, true));
    };
    runtime.recover = () => {
        for (const one of [...waiting]) {
            const reaction = one.deref();
            if (reaction !== undefined) attach(reaction);
        }
    };

    const speciesOf = ({ constructor }) => {
        if (constructor === Outer || constructor === undefined) return Outer;
        const species = constructor[Symbol.species];
        return species === undefined || species === null ? Outer : species;
    };
    const define = (object, name, value) => Object.defineProperty(object, name,
        { value, writable: true, configurable: true, enumerable: false });
    define(Native.prototype, 'then', {
        then(onFulfilled, onRejected) {
            if (!(this instanceof Native)) return then.call(this, onFulfilled, onRejected);
            const Species = speciesOf(this);
            const reaction = {
                promise: this, onFulfilled, onRejected, slot: turns[SLOT],
                client: turns[CLIENT], iteration: turns[ITERATION], done: false, next: undefined,
                resolve: undefined, reject: undefined, handler: undefined, value: undefined,
                failed: false, weak: undefined,
            };
            const derived = new Species((resolve, reject) => {
                reaction.resolve = resolve;
                reaction.reject = reject;
            });
            reaction.weak = new WeakRef(reaction);
            waiting.add(reaction.weak);
            if (waiting.size > sweepAt) sweep();
            attach(reaction);
            return derived;
        },
    }.then);
    const Outer = new Proxy(Native, {});
    define(Native.prototype, 'constructor', Outer);
    define(globalThis, 'Promise', Outer);
})
