// SPDX-License-Identifier: Apache-2.0
// What browsers and Node have besides the language: text encodings, base64, URLs, copies of values.
(function (native, runtime) {
    'use strict';

    const bytesOf = (value) => {
        if (value === undefined) return new Uint8Array(0);
        if (ArrayBuffer.isView(value))
            return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
        if (value instanceof ArrayBuffer) return new Uint8Array(value);
        throw new TypeError('TextDecoder.decode takes an ArrayBuffer or a view of one');
    };
    const encode = (text) => new Uint8Array(runtime.Buffer.from(text.toWellFormed?.() ?? text));

    class TextEncoder {
        get encoding() {
            return 'utf-8';
        }
        encode(text = '') {
            return encode(String(text));
        }
        encodeInto(text, target) {
            let read = 0, written = 0;
            for (const one of String(text)) {
                const bytes = encode(one);
                if (written + bytes.length > target.length) break;
                target.set(bytes, written);
                written += bytes.length;
                read += one.length;
            }
            return { read, written };
        }
    }

    // How many bytes at the end begin a character whose other bytes are to come.
    const unfinished = (bytes) => {
        for (let back = 1; back <= Math.min(3, bytes.length); back++) {
            const byte = bytes[bytes.length - back];
            const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
            if (length > 1) return length > back ? back : 0;
            if (byte < 0x80) return 0;
        }
        return 0;
    };
    const encodings = {
        __proto__: null, 'utf-8': 'utf-8', utf8: 'utf-8', 'utf-16le': 'utf-16le',
        'utf-16': 'utf-16le', latin1: 'latin1', ascii: 'latin1', 'iso-8859-1': 'latin1',
    };

    class TextDecoder {
        #fatal;
        #keepsMark;
        #begun = false;
        #rest = new Uint8Array(0);
        constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
            this.encoding = encodings[String(label).trim().toLowerCase()];
            if (this.encoding === undefined)
                throw new RangeError(`TextDecoder: unknown encoding "${label}" (expected utf-8, ` +
                    'utf-16le or latin1)');
            this.#fatal = Boolean(fatal);
            this.#keepsMark = Boolean(ignoreBOM);
        }
        get fatal() {
            return this.#fatal;
        }
        get ignoreBOM() {
            return this.#keepsMark;
        }
        #text(bytes) {
            if (this.encoding !== 'utf-8') return runtime.Buffer.from(bytes).toString(this.encoding);
            const text = native.decode(bytes);
            if (this.#fatal && text.includes('\ufffd') &&
                runtime.Buffer.compare(runtime.Buffer.from(text), bytes) !== 0)
                throw new TypeError('TextDecoder: the bytes are not UTF-8');
            return text;
        }
        decode(value, { stream = false } = {}) {
            let bytes = runtime.Buffer.concat([this.#rest, bytesOf(value)]);
            const over = !stream ? 0
                : this.encoding === 'utf-8' ? unfinished(bytes)
                    : this.encoding === 'utf-16le' ? bytes.length % 2 : 0;
            this.#rest = bytes.subarray(bytes.length - over);
            bytes = bytes.subarray(0, bytes.length - over);
            const text = this.#text(bytes);
            const first = !this.#begun;
            this.#begun = stream && (this.#begun || bytes.length > 0);
            if (!stream) this.#rest = new Uint8Array(0);
            return first && !this.#keepsMark && text.startsWith('\ufeff') ? text.slice(1) : text;
        }
    }

    const badCharacter = (what) =>
        Object.assign(new Error(what), { name: 'InvalidCharacterError' });
    const btoa = (value) => {
        const text = String(value);
        if (/[^\0-\xff]/.test(text)) throw badCharacter('btoa: a character is above U+00FF');
        return runtime.Buffer.from(text, 'latin1').toString('base64');
    };
    const atob = (value) => {
        let text = String(value).replace(/[\t\n\f\r ]/g, '');
        if (text.length % 4 === 0) text = text.replace(/={1,2}$/, '');
        if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text))
            throw badCharacter('atob: the text is not base64');
        return runtime.Buffer.from(text, 'base64').toString('latin1');
    };

    const urls = () => runtime.requireOwn('whatwg-url-without-unicode');
    // The package asks whether there is a structuredClone(): not the one that is being made.
    const makeClone = () => {
        delete globalThis.structuredClone;
        const { serialize, deserialize } = runtime.requireOwn('@ungap/structured-clone');
        return (value) => deserialize(serialize(value));
    };
    // Each is made when it is used first.
    runtime.web = {
        TextEncoder: () => TextEncoder, TextDecoder: () => TextDecoder, atob: () => atob,
        btoa: () => btoa, URL: () => urls().URL, URLSearchParams: () => urls().URLSearchParams,
        structuredClone: makeClone,
    };
    runtime.builtin('url', () => urls());
})
