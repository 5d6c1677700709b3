// SPDX-License-Identifier: Apache-2.0
// The parts of Node that packages can use: buffer, util, crypto, and the base class of streams.
(function (native, runtime) {
    'use strict';

    // npm's buffer follows an old version of Node's; packages get it as Node's built-in module.
    let buffer;
    const buffers = () => {
        if (buffer === undefined) {
            buffer = runtime.requireOwn('buffer/');
            complete(buffer.Buffer);
        }
        return buffer;
    };
    // Adds what newer versions of Node have, and lets native decode UTF-8, which is faster.
    const isUrl = (encoding) => String(encoding).toLowerCase() === 'base64url';
    const complete = (Buffer) => {
        const { toString, write } = Buffer.prototype;
        const { from, isEncoding, byteLength } = Buffer;
        Buffer.prototype.toString = function (encoding, start, end) {
            if (isUrl(encoding))
                return toString.call(this, 'base64', start, end).replaceAll('+', '-')
                    .replaceAll('/', '_').replace(/=+$/, '');
            if (encoding !== undefined && !/^utf-?8$/i.test(encoding))
                return toString.call(this, encoding, start, end);
            return native.decode(start === undefined && end === undefined ? this
                : this.subarray(Math.max(start | 0, 0), end === undefined ? this.length
                    : Math.max(end | 0, 0)));
        };
        Buffer.from = (value, encoding, length) =>
            from(value, typeof value === 'string' && isUrl(encoding) ? 'base64' : encoding, length);
        Buffer.isEncoding = (encoding) => isUrl(encoding) || isEncoding(encoding);
        Buffer.byteLength = (value, encoding) =>
            byteLength(value, isUrl(encoding) ? 'base64' : encoding);
        Buffer.prototype.write = function (...values) {
            if (isUrl(values.at(-1))) values[values.length - 1] = 'base64';
            return write.apply(this, values);
        };
        Buffer.prototype.equals = function (other) {
            return Buffer.compare(this, other) === 0;
        };
    };
    Object.defineProperty(runtime, 'Buffer', { get: () => buffers().Buffer });
    runtime.builtin('buffer', () => buffers());

    const { format, show } = runtime;
    runtime.builtin('util', () => ({
        format, inspect: show,
        inherits: (child, parent) => {
            child.super_ = parent;
            Object.setPrototypeOf(child.prototype, parent.prototype);
        },
        promisify: (call) => (...values) => new Promise((resolve, reject) =>
            call(...values, (error, value) => error ? reject(error) : resolve(value))),
        isDeepStrictEqual: (a, b) => runtime.stringify(a) === runtime.stringify(b),
        types: { isUint8Array: (value) => value instanceof Uint8Array },
    }));
    // For packages that also offer streams, which scripts do not use.
    runtime.builtin('stream', () => function Stream() {});

    /* -------------------------------------------------------------- crypto, by OpenSSL */

    const bytesOf = (value, encoding) => {
        if (typeof value === 'string') return runtime.Buffer.from(value, encoding);
        if (value instanceof Uint8Array) return value;
        throw new TypeError('crypto: data is a string or a Buffer');
    };
    const give = (bytes, encoding) => {
        const result = runtime.Buffer.from(bytes.buffer);
        return encoding === undefined ? result : result.toString(encoding);
    };
    // Collects the data to hash or sign; `end` gets a function that returns all of it.
    const collector = (end) => {
        const parts = [];
        const self = {
            update: (data, encoding) => {
                parts.push(bytesOf(data, encoding));
                return self;
            },
        };
        return Object.assign(self, end(() => runtime.Buffer.concat(parts)));
    };

    class KeyObject {
        #material;
        constructor(type, material, details) {
            this.#material = material;
            this.type = type;
            if (details) {
                this.asymmetricKeyType = details.type;
                this.asymmetricKeyDetails = details.curve ? { namedCurve: details.curve }
                    : { modulusLength: details.bits };
            }
        }
        export() {
            return this.#material;
        }
    }
    const material = (key) => {
        if (key instanceof KeyObject) return key.export();
        if (typeof key === 'object' && key !== null && !(key instanceof Uint8Array))
            return material(key.key);
        return key;
    };
    const pem = (key) => {
        const text = material(key);
        return typeof text === 'string' ? text : runtime.Buffer.from(text).toString();
    };
    const keyObject = (type, key) => {
        const text = pem(key);
        return new KeyObject(type, text, native.describeKey(text, type === 'private'));
    };

    const hashName = (name) => String(name).toLowerCase().replace(/^rsa-/, '').replace('-', '');
    const RSA_PKCS1_PSS_PADDING = 6;
    const isPss = (key) => key?.padding === RSA_PKCS1_PSS_PADDING;
    const crypto = {
        KeyObject,
        constants: { RSA_PKCS1_PADDING: 1, RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST: -1 },
        createHash: (name) => collector((all) => ({
            digest: (encoding) => give(native.digest(hashName(name), all()), encoding),
        })),
        createHmac: (name, key) => collector((all) => ({
            digest: (encoding) => give(native.digest(hashName(name), all(),
                bytesOf(material(key))), encoding),
        })),
        createSign: (name) => collector((all) => ({
            sign: (key, encoding) => give(native.sign(hashName(name), all(), pem(key),
                isPss(key)), encoding),
        })),
        createVerify: (name) => collector((all) => ({
            verify: (key, signature, encoding) => native.verify(hashName(name), all(), pem(key),
                isPss(key), bytesOf(signature, encoding)),
        })),
        createSecretKey: (key, encoding) => new KeyObject('secret', bytesOf(key, encoding)),
        createPrivateKey: (key) => keyObject('private', key),
        createPublicKey: (key) => keyObject('public', key),
        timingSafeEqual: (a, b) => {
            if (a.length !== b.length) throw new RangeError('the lengths differ');
            let difference = 0;
            for (let at = 0; at < a.length; at++) difference |= a[at] ^ b[at];
            return difference === 0;
        },
        // From the client's own sequence, so that a run is reproducible; not suitable for secrets.
        randomBytes: (size) => {
            const bytes = runtime.Buffer.alloc(size);
            for (let at = 0; at < size; at++) bytes[at] = Math.floor(runtime.random() * 256);
            return bytes;
        },
        randomUUID: () => {
            const bytes = crypto.randomBytes(16);
            bytes[6] = bytes[6] & 15 | 64;
            bytes[8] = bytes[8] & 63 | 128;
            return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
        },
    };
    runtime.builtin('crypto', () => crypto);
})
