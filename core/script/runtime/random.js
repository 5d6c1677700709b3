// SPDX-License-Identifier: Apache-2.0
// Random numbers. Each client has a generator of its own, so that a seed makes every run the same,
// however the clients are distributed over machines.
(function (native, runtime) {
    'use strict';

    const { turns } = native;
    const { SLOT } = native.names;
    const { seed } = native.facts;

    const mix = (number) => {
        let t = Math.imul(number ^ number >>> 16, 0x21f0aaad);
        t = Math.imul(t ^ t >>> 15, 0x735a2d97);
        return t ^ t >>> 15;
    };
    // Index 0 is for code that runs without a state.
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

    const addGenerator = (place, client) => {
        if (place >= generators.length) {
            const more = new Uint32Array(generators.length * 2);
            more.set(generators);
            generators = more;
        }
        generators[place] = mix(mix(seed) + client);
    };

    // A bounded random walk for each client and key. An object takes a quarter of a Map's memory.
    const walks = [];
    const number = (name, value) => {
        if (typeof value !== 'number' || !Number.isFinite(value))
            throw new TypeError(`volatile: ${name} is not a number`);
        return value;
    };
    const volatile = (options = {}) => {
        if (options === null || typeof options !== 'object')
            throw new TypeError('volatile takes {key, min, max, delta}');
        const { key = '' } = options;
        const min = number('min', options.min === undefined ? 0 : options.min);
        const max = number('max', options.max === undefined ? 100 : options.max);
        const delta = options.delta === undefined ? (max - min) / 10
            : number('delta', options.delta);
        if (min > max) throw new RangeError(`volatile: min ${min} is above max ${max}`);
        const place = turns[SLOT] + 1;
        const walk = walks[place] || (walks[place] = { __proto__: null });
        const before = walk[key];
        const value = before === undefined ? min + random() * (max - min)
            : Math.min(max, Math.max(min, before + (random() * 2 - 1) * delta));
        walk[key] = value;
        return value;
    };

    Object.assign(runtime, { random, addGenerator, volatile });
})
