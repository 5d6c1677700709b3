// What native and the runtime share without a call: struct turns of script_machine.h.
(function (native, runtime) {
    'use strict';

    Object.assign(runtime, {
        turns: native.turns, SLOT: 0, CLIENT: 1, ITERATION: 2, AT: 3, WAITING: 4, TRACKED: 5,
        SETTLED: 6, LISTENERS: 7, BATCH: 8, ENTRY: 3,
    });
})
