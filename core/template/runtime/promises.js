// Promises that keep the turn: what waits for one goes on as the client that waited, whoever
// settles it. `await` uses then() only where a promise has another constructor than the engine's.
(function (native, runtime) {
    'use strict';

    const { turns } = native;
    const { SLOT, CLIENT, ITERATION, RESUMPTIONS } = native.names;
    // What runs or waits where no limit reaches it.
    for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics']) delete globalThis[name];

    const Native = Promise;
    const { then } = Native.prototype;

    // What has to go on in another turn than the present one, in a list: native enters for each.
    let first, last;
    const goOnLater = (resumption) => {
        if (first === undefined) first = resumption;
        else last.next = resumption;
        last = resumption;
        turns[RESUMPTIONS]++;
    };
    runtime.resume = () => {
        const { slot, client, iteration, run, next } = first;
        first = next;
        turns[RESUMPTIONS]--;
        turns[SLOT] = slot;
        turns[CLIENT] = client;
        turns[ITERATION] = iteration;
        run();
    };

    const keepTurn = (handler) => {
        if (typeof handler !== 'function') return handler;
        const slot = turns[SLOT], client = turns[CLIENT], iteration = turns[ITERATION];
        return (value) => {
            if (turns[SLOT] === slot && turns[CLIENT] === client && turns[ITERATION] === iteration)
                return handler(value);
            return {
                then: (resolve, reject) => goOnLater({
                    slot, client, iteration, next: undefined,
                    run: () => {
                        try {
                            resolve(handler(value));
                        } catch (error) {
                            reject(error);
                        }
                    },
                }),
            };
        };
    };
    const define = (object, name, value) => Object.defineProperty(object, name,
        { value, writable: true, configurable: true, enumerable: false });
    define(Native.prototype, 'then', {
        then(onFulfilled, onRejected) {
            return then.call(this, keepTurn(onFulfilled), keepTurn(onRejected));
        },
    }.then);
    const Outer = new Proxy(Native, {});
    define(Native.prototype, 'constructor', Outer);
    define(globalThis, 'Promise', Outer);
})
