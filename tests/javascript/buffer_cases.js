// SPDX-License-Identifier: Apache-2.0
// Random calls of Buffer, and a digest of what they give: the same in Node and in templates.
exports.run = (count) => {
    let seed = 12345;
    const random = (below) => {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        return Math.floor(seed / 4294967296 * below);
    };
    const encodings = ['utf8', 'hex', 'base64', 'latin1', 'ascii', 'utf16le', 'binary', 'ucs2'];
    const plain = ['utf8', 'latin1', 'ascii', 'utf16le', 'binary', 'ucs2'];
    const text = () => Array.from({ length: random(20) }, () => String.fromCodePoint(
        [random(128), random(256), random(0xd800), 0x10000 + random(0x10000)][random(4)])).join('');
    const bytes = () => Buffer.from(Array.from({ length: random(24) }, () => random(256)));
    const writes = ['UInt8', 'Int8', 'UInt16LE', 'UInt16BE', 'Int16LE', 'Int16BE', 'UInt32LE',
        'UInt32BE', 'Int32LE', 'Int32BE', 'FloatLE', 'FloatBE', 'DoubleLE', 'DoubleBE'];
    const kinds = [
        () => Buffer.from(text(), plain[random(6)]).toString('hex'),
        () => {
            const encoding = ['hex', 'base64', 'base64url'][random(3)];
            return Buffer.from(bytes().toString(encoding), encoding).toString('hex');
        },
        () => bytes().toString(encodings[random(8)]),
        () => bytes().slice(random(30) - 10, random(30) - 10).toString('hex'),
        () => Buffer.concat([bytes(), bytes()]).toString('base64'),
        () => Buffer.compare(bytes(), bytes()),
        () => bytes().indexOf(random(256)),
        () => Buffer.alloc(random(9), text() || 'x').toString('hex'),
        () => Buffer.byteLength(text()),
        () => {
            const name = writes[random(writes.length)];
            const buffer = Buffer.alloc(12);
            const size = /8/.test(name) ? 8 : /16/.test(name) ? 16 : 32;
            const value = /Float|Double/.test(name) ? (random(2000000) - 1000000) / 64
                : name.startsWith('U') ? random(2 ** size) : random(2 ** size) - 2 ** (size - 1);
            const at = random(4);
            buffer[`write${name}`](value, at);
            return `${buffer.toString('hex')} ${buffer[`read${name}`](at)}`;
        },
        () => {
            const buffer = bytes();
            const end = buffer.fill(text() || 'a', random(buffer.length + 1)).toString('latin1');
            return JSON.stringify(buffer) + end;
        },
        () => { const b = bytes(); return `${b.equals(Buffer.from(b))} ${b.includes(7)}`; },
        () => { const b = Buffer.alloc(16); return `${bytes().copy(b, random(4))} ${b.toString('hex')}`; },
    ];
    let digest = 0;
    const samples = [];
    for (let at = 0; at < count; at++) {
        let result;
        try {
            result = String(kinds[random(kinds.length)]());
        } catch (error) {
            result = 'throws';
        }
        for (let i = 0; i < result.length; i++)
            digest = (Math.imul(digest, 31) + result.charCodeAt(i)) >>> 0;
        if (at % 500 === 0) samples.push(digest);
    }
    return samples.join(' ') + ' ' + digest;
};
