// SPDX-License-Identifier: Apache-2.0
// require(): packages in a node_modules next to the job, files next to the template, and packages
// that come with the program. Native reads the files, and refuses any other location.
(function (native, runtime) {
    'use strict';

    const { ownModules } = native.facts;

    const join = (folder, path) => {
        const parts = [];
        for (const part of `${path.startsWith('/') ? '' : `${folder}/`}${path}`.split('/')) {
            if (part === '..') parts.pop();
            else if (part !== '' && part !== '.') parts.push(part);
        }
        return `/${parts.join('/')}`;
    };
    const folderOf = (path) => path.slice(0, path.lastIndexOf('/')) || '/';

    // Resolves an entry of a package's "exports" as require() does.
    const conditions = ['require', 'node', 'default'];
    const pick = (entry) => {
        if (typeof entry === 'string') return entry;
        if (Array.isArray(entry)) return entry.map(pick).find((one) => one !== undefined);
        if (entry === null || typeof entry !== 'object') return undefined;
        for (const name of Object.keys(entry))
            if (conditions.includes(name)) {
                const found = pick(entry[name]);
                if (found !== undefined) return found;
            }
        return undefined;
    };
    const exported = (exports, part) => {
        const subpaths = typeof exports === 'object' && exports !== null &&
            !Array.isArray(exports) && Object.keys(exports).some((key) => key.startsWith('.'));
        if (!subpaths) return part === '.' ? pick(exports) : undefined;
        if (exports[part] !== undefined) return pick(exports[part]);
        for (const [pattern, entry] of Object.entries(exports)) {
            const [before, after] = pattern.split('*');
            if (after === undefined || !part.startsWith(before) || !part.endsWith(after))
                continue;
            const target = pick(entry);
            if (target !== undefined) return target.replaceAll('*',
                part.slice(before.length, part.length - after.length));
        }
        return undefined;
    };

    const texts = new Map();
    const read = (path) => {
        if (!texts.has(path)) texts.set(path, native.readModule(path));
        return texts.get(path);
    };
    const asFile = (path) => ['', '.js', '.cjs', '.json'].map((end) => path + end)
        .find((one) => /\.(c?js|json)$/.test(one) && read(one) !== undefined);
    const manifest = (folder) => {
        const text = read(`${folder}/package.json`);
        return text === undefined ? undefined : JSON.parse(text);
    };
    const asFolder = (folder) => {
        const main = manifest(folder)?.main;
        return (typeof main === 'string' && (asFile(join(folder, main)) ||
            asFile(join(folder, `${main}/index`)))) || asFile(`${folder}/index`);
    };
    const inPackage = (root, request) => {
        const match = /^((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/.exec(request);
        if (!match) return undefined;
        const [, name, part] = match;
        const folder = `${root}/${name}`;
        const exports = manifest(folder)?.exports;
        if (exports !== undefined && exports !== null) {
            const target = exported(exports, part === undefined ? '.' : `./${part}`);
            return target === undefined ? undefined : asFile(join(folder, target));
        }
        return part === undefined ? asFolder(folder)
            : asFile(join(folder, part)) || asFolder(join(folder, part));
    };
    const resolve = (folder, request) => {
        if (/^\.{0,2}\//.test(request) || request === '.' || request === '..') {
            const path = join(folder, request);
            return asFile(path) || asFolder(path);
        }
        for (let at = folder; ; at = folderOf(at)) {
            const found = inPackage(`${at}/node_modules`, request);
            if (found !== undefined || at === '/') return found || inPackage(ownModules, request);
        }
    };

    // The supported subset of Node's built-in modules.
    const makers = new Map();
    const builtin = new Map();
    runtime.builtin = (name, make) => makers.set(name, make);
    const load = (name) => {
        if (makers.has(name) && !builtin.has(name)) builtin.set(name, makers.get(name)());
        return builtin.get(name);
    };
    const absent = ['fs', 'net', 'http', 'https', 'http2', 'child_process', 'os', 'tls', 'dgram',
        'dns', 'worker_threads', 'cluster', 'process', 'vm', 'zlib', 'timers', 'readline'];

    const installed = (folder, name) => {
        for (let at = folder; ; at = folderOf(at)) {
            if (manifest(`${at}/node_modules/${name}`) !== undefined) return true;
            if (at === '/') return false;
        }
    };
    const missing = (folder, request) => {
        const name = request.replace(/^node:/, '');
        if (absent.includes(name))
            return new Error(`Cannot find module '${request}': scripts have no files, network, ` +
                'timers or processes');
        if (/^\.{0,2}\//.test(request))
            return new Error(`Cannot find module '${request}': there is no such file in the ` +
                "template's folder");
        const owner = request.replace(/^((?:@[^/]+\/)?[^/]+).*$/, '$1');
        if (installed(folder, owner))
            return new Error(`Cannot find module '${request}': the package ${owner} has no such ` +
                'CommonJS file; scripts cannot load ES modules, so take a version that has both');
        return new Error(`Cannot find module '${request}'; install it in the job's folder: ` +
            `npm install ${owner}`);
    };

    // The members of `process` that packages for Node use.
    const process = Object.freeze({
        env: Object.freeze({}), version: 'v20.0.0', versions: Object.freeze({ node: '20.0.0' }),
        platform: 'linux', argv: Object.freeze([]),
        nextTick: (call, ...values) => Promise.resolve().then(() => call(...values)),
    });

    const modules = new Map();
    const run = (path, text) => {
        const module = { exports: {}, id: path, filename: path, loaded: false };
        modules.set(path, module);
        try {
            if (path.endsWith('.json')) {
                module.exports = JSON.parse(text);
            } else {
                const folder = folderOf(path);
                const call = native.evaluate(path,
                    '(function (exports, require, module, __filename, __dirname, process, ' +
                    'global) {', text.replace(/^#!.*/, ''), '\n})');
                call.call(module.exports, module.exports, requireFrom(folder), module, path,
                    folder, process, globalThis);
            }
            module.loaded = true;
        } catch (error) {
            modules.delete(path);
            throw error;
        } finally {
            texts.delete(path);
        }
        return module;
    };
    const requireFrom = (folder) => (request) => {
        if (typeof request !== 'string' || request === '')
            throw new TypeError('require: the name of a module is a string');
        // A name with a trailing slash is a package, even if Node has a module of that name.
        const found = load(request.replace(/^node:/, ''));
        if (found !== undefined) return found;
        const path = resolve(folder, request.replace(/\/$/, ''));
        if (path === undefined) throw missing(folder, request);
        return (modules.get(path) || run(path, read(path))).exports;
    };

    runtime.requireOwn = requireFrom(ownModules);
    // For functions, the library and expressions: from the template's folder.
    runtime.require = requireFrom(native.facts.folder);

    // Loads the `script:` file: the functions of these names that it exports, or else declares.
    runtime.loadScript = (path, names) => {
        const text = read(path);
        const module = { exports: {}, id: path, filename: path, loaded: true };
        const folder = folderOf(path);
        modules.set(path, module);
        const found = names.map((name) =>
            `${name}: typeof ${name} === 'function' ? ${name} : undefined`).join(', ');
        const call = native.evaluate(path,
            '(function (exports, require, module, __filename, __dirname, process, global) {',
            text.replace(/^#!.*/, ''), `\nreturn {${found}};\n})`);
        const declared = call.call(module.exports, module.exports, requireFrom(folder), module,
            path, folder, process, globalThis);
        return names.map((name) =>
            typeof module.exports[name] === 'function' ? module.exports[name] : declared[name]);
    };
})
