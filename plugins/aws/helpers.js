// SPDX-License-Identifier: Apache-2.0
// Helpers for the templates of AWS IoT devices: shadows, jobs and commands through their reserved
// topics. iotify/connector.h describes `host`.
(function (host) {
    'use strict';

    const TIMEOUT = 10;

    // The thing's name is the client id of its connection.
    const thing = () => {
        const name = host.clientId();
        if (!name) throw new Error('the connection has no client_id: it is the name of the thing');
        return name;
    };

    // Pending requests, by device and token; handlers of the template, by device and name.
    const waits = new Map();
    const handlers = new Map();
    const key = (name) => `${host.slot()} ${name}`;
    const handle = (name, call) => {
        if (typeof call !== 'function') throw new TypeError(`${name}: not a function`);
        handlers.set(key(name), call);
    };
    const callHandler = (name, ...values) => {
        const call = handlers.get(key(name));
        if (call === undefined) return false;
        call(...values);
        return true;
    };

    const OURS = 'iotify-';
    const newToken = () => OURS + Array.from({ length: 16 }, () =>
        Math.floor(host.random() * 16).toString(16)).join('');
    // A request of a helper, which its own subscription returns, or the answer to it.
    const isOurs = ({ clientToken }) =>
        typeof clientToken === 'string' && clientToken.startsWith(OURS);

    const forget = (name, entry) => {
        const left = (waits.get(name) ?? []).filter((one) => one !== entry);
        if (left.length > 0) waits.set(name, left);
        else waits.delete(name);
    };
    // Publishes a request and waits for the answer that `token` identifies; adds the time this took
    // to `metric`.
    const exchange = (what, metric, token, topic, body) => {
        const began = host.now();
        const wait = host.wait(TIMEOUT, what);
        const name = key(token);
        const end = (settle) => (value) => {
            forget(name, entry);
            host.measure(metric, host.now() - began);
            settle(value);
        };
        const entry = { accept: end(wait.resolve), reject: end(wait.reject) };
        // The same command may be answered twice before the first answer is accepted.
        waits.set(name, [...waits.get(name) ?? [], entry]);
        try {
            host.publish(topic, JSON.stringify(body));
        } catch (error) {
            wait.reject(error);
        }
        return wait.promise.catch((error) => {
            forget(name, entry);
            throw error;
        });
    };
    const request = (what, metric, topic, body) => {
        const clientToken = newToken();
        return exchange(what, metric, clientToken, topic, { ...body, clientToken });
    };
    // Settles the request that waits for this answer; false: there is none.
    const answered = (kind, token, document, what) => {
        const [wait] = waits.get(key(token)) ?? [];
        if (wait === undefined) return false;
        if (kind === 'accepted') {
            wait.accept(document);
            return true;
        }
        const { code = document.error, message = document.errorMessage ?? 'rejected' } = document;
        const error = new Error(code === undefined ? `${what}: ${message}`
            : `${what}: ${message} (${code})`);
        error.code = code;
        wait.reject(error);
        return true;
    };
    const isAnswer = (kind) => kind === 'accepted' || kind === 'rejected';
    // True: the message belongs to a helper. Messages of others do not have a token of a helper.
    const takeExchange = (kind, document, what) => {
        if (isOurs(document) && isAnswer(kind))
            answered(kind, document.clientToken, document, what);
        return isOurs(document);
    };

    /* -------------------------------------------------------------- shadows */

    const shadowTopic = (name) => `$aws/things/${thing()}/shadow${name ? `/name/${name}` : ''}`;
    const makeShadow = (name) => ({
        get: () => request('shadow.get', 'shadow_get_seconds', `${shadowTopic(name)}/get`, {}),
        update: (state, version) => {
            if (state === null || typeof state !== 'object' ||
                !('reported' in state || 'desired' in state))
                return Promise.reject(new TypeError(
                    'shadow.update takes {reported: …} or {desired: …}'));
            return request('shadow.update', 'shadow_update_seconds', `${shadowTopic(name)}/update`,
                version === undefined ? { state } : { state, version });
        },
        delete: () =>
            request('shadow.delete', 'shadow_delete_seconds', `${shadowTopic(name)}/delete`, {}),
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
        if (operation === 'update' && kind === 'delta')
            return callHandler(`delta ${name}`, document.state, document);
        return kind !== 'documents' && takeExchange(kind, document, `shadow.${operation}`);
    };

    /* -------------------------------------------------------------- jobs */

    const jobTopic = () => `$aws/things/${thing()}/jobs`;
    const jobs = {
        // Starts the next pending job and returns its execution; undefined: no job is pending.
        startNext: (statusDetails) => request('jobs.startNext', 'jobs_start_next_seconds',
            `${jobTopic()}/start-next`, statusDetails === undefined ? {} : { statusDetails })
            .then((document) => document.execution),
        list: () => request('jobs.list', 'jobs_list_seconds', `${jobTopic()}/get`, {}),
        describe: (jobId = '$next') => request('jobs.describe', 'jobs_describe_seconds',
            `${jobTopic()}/${jobId}/get`, {}).then((document) => document.execution),
        update: (jobId, status, statusDetails) => request('jobs.update', 'jobs_update_seconds',
            `${jobTopic()}/${jobId}/update`,
            statusDetails === undefined ? { status } : { status, statusDetails }),
        onNext: (call) => handle('next job', call),
        topics: () => `${jobTopic()}/#`,
    };
    const onJob = (parts, document) => {
        const kind = parts[parts.length - 1];
        return parts[0] === 'notify-next'
            ? callHandler('next job', document.execution, document)
            : takeExchange(kind, document, `jobs.${parts[parts.length - 2]}`);
    };

    /* -------------------------------------------------------------- commands */

    const commandTopic = () => `$aws/commands/things/${thing()}/executions`;
    const answerOf = (executionId) => `answer to ${executionId}`;
    const commands = {
        // call(payload, executionId) returns the answer {status, statusReason, result}.
        onCommand: (call) => handle('command', call),
        respond: (executionId, { status = 'SUCCEEDED', statusReason, result } = {}) => exchange(
            'commands.respond', 'commands_respond_seconds', answerOf(executionId),
            `${commandTopic()}/${executionId}/response/json`, { status, statusReason, result }),
        topics: () => `${commandTopic()}/#`,
    };
    const fail = (executionId, error) => commands.respond(executionId, {
        status: 'FAILED',
        statusReason: { reasonCode: 'DEVICE_ERROR', reasonDescription: String(error) },
    });
    const onCommand = ([executionId, kind, part], document, payload) => {
        if (kind === 'response' && isAnswer(part))
            return answered(part, answerOf(executionId), document, 'commands.respond');
        if (kind !== 'request') return true;
        const call = handlers.get(key('command'));
        if (call === undefined) return false;
        const respond = (answer) => answer === undefined || answer === null ? undefined
            : commands.respond(executionId, answer);
        const failed = (error) => {
            fail(executionId, error);
            throw error;
        };
        let answer;
        try {
            answer = call(part === 'json' ? document : payload, executionId);
        } catch (error) {
            failed(error);
        }
        if (answer !== null && typeof answer?.then === 'function') answer.then(respond, failed);
        else respond(answer);
        return true;
    };

    host.listen((topic, payload) => {
        if (!topic.startsWith('$aws/')) return false;
        const parts = topic.split('/');
        let document = {};
        try {
            document = JSON.parse(payload.toString()) ?? {};
        } catch (error) {
            // Not every command is JSON.
        }
        // The template handles messages for other things.
        if (parts[parts[1] === 'commands' ? 3 : 2] !== host.clientId()) return false;
        if (parts[1] === 'things' && parts[3] === 'shadow')
            return onShadow(parts.slice(4), document);
        if (parts[1] === 'things' && parts[3] === 'jobs') return onJob(parts.slice(4), document);
        if (parts[1] === 'commands' && parts[4] === 'executions')
            return onCommand(parts.slice(5), document, payload);
        return false;
    });

    return { shadow, jobs, commands };
})
