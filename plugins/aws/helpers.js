// Helpers for the templates of AWS IoT devices: shadows, jobs and commands by their reserved
// topics. See iotify/connector.h for what `host` is.
(function (host) {
    'use strict';

    const TIMEOUT = 10;

    // The thing's name is the client id of its connection.
    const thing = () => {
        const name = host.clientId();
        if (!name) throw new Error('the connection has no client_id: it is the name of the thing');
        return name;
    };

    // What waits for an answer, by device and token; what is to be called, by device.
    const waits = new Map();
    const handlers = new Map();
    const key = (name) => `${host.slot()} ${name}`;
    const handle = (name, call) => {
        if (typeof call !== 'function') throw new TypeError(`${name}: this is no function`);
        handlers.set(key(name), call);
    };
    const callHandler = (name, ...values) => {
        const call = handlers.get(key(name));
        if (call === undefined) return false;
        call(...values);
        return true;
    };

    const newToken = () => Array.from({ length: 16 }, () =>
        Math.floor(host.random() * 16).toString(16)).join('');

    // Send a request with a token, and wait for the answer that bears it. `measure` gets seconds.
    const request = (what, topic, body, measure) => {
        const clientToken = newToken();
        const wait = host.wait(TIMEOUT, what);
        const began = host.now();
        const forget = () => waits.delete(key(clientToken));
        waits.set(key(clientToken), {
            accept: (document) => {
                forget();
                measure(host.now() - began);
                wait.resolve(document);
            },
            reject: (error) => {
                forget();
                measure(host.now() - began);
                wait.reject(error);
            },
        });
        try {
            host.publish(topic, JSON.stringify({ ...body, clientToken }));
        } catch (error) {
            forget();
            wait.reject(error);
        }
        wait.promise.then(undefined, forget);
        return wait.promise;
    };
    const answered = (kind, document, what) => {
        const wait = waits.get(key(document.clientToken));
        if (wait === undefined) return;
        if (kind === 'accepted') {
            wait.accept(document);
            return;
        }
        const error = new Error(`${what}: ${document.message ?? 'rejected'} (${document.code})`);
        error.code = document.code;
        wait.reject(error);
    };

    /* -------------------------------------------------------------- shadows */

    const shadowTopic = (name) => `$aws/things/${thing()}/shadow${name ? `/name/${name}` : ''}`;
    const makeShadow = (name) => ({
        get: () => request('shadow.get', `${shadowTopic(name)}/get`, {},
            (seconds) => host.measure('shadow_get_seconds', seconds)),
        update: (state, version) => {
            if (state === null || typeof state !== 'object' ||
                !('reported' in state || 'desired' in state))
                return Promise.reject(new TypeError(
                    'shadow.update takes {reported: …} or {desired: …}'));
            return request('shadow.update', `${shadowTopic(name)}/update`,
                version === undefined ? { state } : { state, version },
                (seconds) => host.measure('shadow_update_seconds', seconds));
        },
        delete: () => request('shadow.delete', `${shadowTopic(name)}/delete`, {},
            (seconds) => host.measure('shadow_delete_seconds', seconds)),
        onDelta: (call) => handle(`delta ${name ?? ''}`, call),
        // For `subscribe`: everything about the thing's shadows.
        topics: () => `$aws/things/${thing()}/shadow/#`,
    });
    const shadow = Object.assign((name) => {
        if (typeof name !== 'string' || name === '')
            throw new TypeError('shadow: the name is a string that is not empty');
        return makeShadow(name);
    }, makeShadow(undefined));

    const onShadow = (parts, document) => {
        const name = parts[0] === 'name' ? parts[1] : '';
        const [operation, kind] = parts[0] === 'name' ? parts.slice(2) : parts;
        if (kind === 'accepted' || kind === 'rejected')
            answered(kind, document, `shadow.${operation}`);
        else if (operation === 'update' && kind === 'delta')
            return callHandler(`delta ${name}`, document.state, document);
        return true;
    };

    /* -------------------------------------------------------------- jobs */

    const jobTopic = () => `$aws/things/${thing()}/jobs`;
    const jobs = {
        // The first of those that wait, which is in progress from then on; undefined: none waits.
        startNext: (statusDetails) => request('jobs.startNext', `${jobTopic()}/start-next`,
            statusDetails === undefined ? {} : { statusDetails },
            (seconds) => host.measure('jobs_start_next_seconds', seconds))
            .then((document) => document.execution),
        list: () => request('jobs.list', `${jobTopic()}/get`, {},
            (seconds) => host.measure('jobs_list_seconds', seconds)),
        describe: (jobId = '$next') => request('jobs.describe', `${jobTopic()}/${jobId}/get`, {},
            (seconds) => host.measure('jobs_describe_seconds', seconds))
            .then((document) => document.execution),
        update: (jobId, status, statusDetails) => request('jobs.update',
            `${jobTopic()}/${jobId}/update`,
            statusDetails === undefined ? { status } : { status, statusDetails },
            (seconds) => host.measure('jobs_update_seconds', seconds)),
        onNext: (call) => handle('next job', call),
        topics: () => `${jobTopic()}/#`,
    };
    const onJob = (parts, document) => {
        const kind = parts[parts.length - 1];
        if (kind === 'accepted' || kind === 'rejected')
            answered(kind, document, `jobs.${parts[parts.length - 2]}`);
        else if (parts[0] === 'notify-next')
            return callHandler('next job', document.execution, document);
        return true;
    };

    /* -------------------------------------------------------------- commands */

    const commandTopic = () => `$aws/commands/things/${thing()}/executions`;
    // When each command came, for the time until its device has answered.
    const begun = new Map();
    const commands = {
        // call(payload, executionId): what it returns is the answer {status, statusReason, result}.
        onCommand: (call) => handle('command', call),
        respond: (executionId, { status = 'SUCCEEDED', statusReason, result } = {}) => {
            host.publish(`${commandTopic()}/${executionId}/response/json`,
                JSON.stringify({ status, statusReason, result }));
            const began = begun.get(key(executionId));
            begun.delete(key(executionId));
            if (began !== undefined) host.measure('commands_respond_seconds', host.now() - began);
        },
        topics: () => `${commandTopic()}/#`,
    };
    const fail = (executionId, error) => commands.respond(executionId, {
        status: 'FAILED',
        statusReason: { reasonCode: 'DEVICE_ERROR', reasonDescription: String(error) },
    });
    const onCommand = ([executionId, kind, format], document, payload) => {
        if (kind !== 'request') return true;
        begun.set(key(executionId), host.now());
        const command = format === 'json' ? document : payload;
        const call = handlers.get(key('command'));
        if (call === undefined) return false;
        const respond = (answer) => {
            if (answer !== undefined) commands.respond(executionId, answer);
        };
        try {
            const answer = call(command, executionId);
            if (answer !== null && typeof answer?.then === 'function')
                answer.then(respond, (error) => fail(executionId, error));
            else
                respond(answer);
        } catch (error) {
            fail(executionId, error);
            throw error;
        }
        return true;
    };

    host.listen((topic, payload) => {
        if (!topic.startsWith('$aws/')) return false;
        const parts = topic.split('/');
        let document = {};
        try {
            document = JSON.parse(payload.toString());
        } catch (error) {
            // Not every command is JSON.
        }
        if (parts[1] === 'things' && parts[3] === 'shadow')
            return onShadow(parts.slice(4), document);
        if (parts[1] === 'things' && parts[3] === 'jobs') return onJob(parts.slice(4), document);
        if (parts[1] === 'commands' && parts[4] === 'executions')
            return onCommand(parts.slice(5), document, payload);
        return false;
    });

    return { shadow, jobs, commands };
})
