// SPDX-License-Identifier: Apache-2.0
// Two runs side by side, as text for a terminal and as a page.
'use strict';

const comparison = (() => {
    const {escape, html, digits, time, span, number, moment, table, state, block, checkSummary} = pageText;
    const {distributionChart, figure} = pageCharts;

    const COUNTS = ['clients', 'connected', 'published', 'acknowledged', 'received', 'failed', 'refused', 'abandoned', 'dropped', 'skipped',
        'lost', 'unreturned', 'duplicates', 'reordered', 'late', 'resent', 'resumed', 'verified', 'reconnects', 'closed', 'script_errors', 'bytes_out', 'bytes_in'];
    const ALWAYS = ['connected', 'published', 'acknowledged', 'received', 'failed', 'lost'];
    const RATES = ['published', 'acknowledged', 'received'];
    const TIMES = ['connect', 'connect_tcp', 'connect_tls', 'connect_session', 'publish', 'end_to_end', 'script', 'lag'];
    const PARTS = ['mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'];

    // ------------------------------------------------------------------ values

    // The numbers of a simulation by the names that thresholds have: {value, format, shown}.
    const valuesOf = (simulation) => {
        const values = new Map(), set = (name, value, format, shown = true) =>
            values.set(name, {value: typeof value === 'number' ? value : null, format, shown});
        for (const name of COUNTS)
            set(name, simulation[name], String, ALWAYS.includes(name) || simulation[name] > 0);
        for (const name of RATES)
            set(`${name}.rate`, simulation.seconds > 0 ? simulation[name] / simulation.seconds : null, (value) => `${digits(value, 3)}/s`, simulation[name] > 0);
        for (const name of TIMES)
            for (const part of PARTS) {
                const times = simulation[`${name}_seconds`];
                set(`${name}.${part}`, times && times[part], time, Boolean(times) && part !== 'p999' && (name === 'publish' || name === 'end_to_end' || part === 'p99'));
            }
        for (const name of ['cpu', 'busy'])
            set(`generator.${name}`, (simulation.generator || {})[name], number);
        set('generator.saturated', simulation.generator && typeof simulation.generator.saturated === 'boolean' ? Number(simulation.generator.saturated) : null, String, false);
        // As in thresholds: what is built in comes first, then a metric's own name, then one of its statistics.
        const more = (name, ...rest) => values.has(name) || set(name, ...rest);
        const metrics = Object.entries(simulation.metrics || {});
        metrics.forEach(([name, metric]) => more(name, metric.sum, number, false));
        for (const [name, metric] of metrics)
            for (const part of ['count', 'sum', 'min', ...PARTS])
                more(`${name}.${part}`, metric[part], number, ['mean', 'p99'].includes(part));
        return values;
    };
    const isTime = (name) => TIMES.some((each) => name.startsWith(`${each}.`)) && PARTS.includes(name.slice(name.indexOf('.') + 1));
    const changeOf = (before, after) => before === null || after === null ? '' : before === after ? '='
        : before === 0 ? (after > 0 ? 'new' : '') : `${after > before ? '+' : ''}${digits(100 * (after - before) / Math.abs(before), 3)}%`;

    // Pairs of simulations with the same name, and the names that only one run has.
    const pairsOf = ({before, after}) => {
        const names = [...new Set([...before.simulations, ...after.simulations].map((each) => each.name))];
        const find = (run, name) => run.simulations.find((each) => each.name === name);
        return names.map((name) => ({name, before: find(before, name), after: find(after, name)}));
    };
    // Rows [name, before, after, change] as text.
    const rowsOf = (pair) => {
        const before = valuesOf(pair.before), after = valuesOf(pair.after), rows = [];
        for (const name of new Set([...before.keys(), ...after.keys()])) {
            const one = before.get(name) || {value: null}, other = after.get(name) || {value: null};
            const format = one.format || other.format, text = (value) => value === null ? '–' : format(value);
            if (one.shown || other.shown)
                rows.push([name, text(one.value), text(other.value), changeOf(one.value, other.value)]);
        }
        return rows;
    };
    const stepRows = ({before, after}) => {
        const rows = [];
        for (const step of before.steps) {
            const other = after.steps.find((each) => page.stepName(each) === page.stepName(step));
            if (other)
                rows.push([page.stepName(step), span(step.seconds), span(other.seconds), changeOf(step.seconds, other.seconds)]);
        }
        return rows;
    };

    // Why the two cannot be compared.
    const differences = (runs) => {
        const reasons = [];
        if (runs.before.job !== runs.after.job)
            reasons.push(`they are of different jobs, ${runs.before.job} and ${runs.after.job}`);
        else if (runs.before.job_digest && runs.after.job_digest && runs.before.job_digest !== runs.after.job_digest)
            reasons.push('the job was changed between them');
        for (const pair of pairsOf(runs)) {
            if (!pair.before || !pair.after) {
                reasons.push(`only the ${pair.before ? 'first' : 'second'} has the simulation ${pair.name}`);
                continue;
            }
            if (pair.before.template_digest && pair.after.template_digest && pair.before.template_digest !== pair.after.template_digest)
                reasons.push(`the template of ${pair.name} was changed between them`);
            if (pair.before.clients !== pair.after.clients)
                reasons.push(`of ${pair.name}, the first had ${pair.before.clients} clients, the second ${pair.after.clients}`);
            for (const [which, simulation] of [['first', pair.before], ['second', pair.after]])
                if (simulation.generator && simulation.generator.saturated)
                    reasons.push(`in the ${which}, this machine was the bottleneck of ${pair.name}`);
        }
        for (const [which, run] of [['first', runs.before], ['second', runs.after]])
            if (run.exit > 128)
                reasons.push(`the ${which} was interrupted`);
        return reasons;
    };

    // ------------------------------------------------------------------ limits

    const SECONDS = new Map([['ns', 1e-9], ['us', 1e-6], ['ms', 1e-3], ['s', 1], ['m', 60], ['h', 3600], ['d', 86400]]);
    // "publish.p99 +10%" → {text, name, sign, amount, share}; an Error when it is none.
    const parseLimit = (text) => {
        const found = /^\s*(\S.*?)\s*([+-])\s*(\d+(?:\.\d+)?)\s*(%|[a-z]*)\s*$/.exec(text);
        if (!found)
            throw new Error(`invalid limit "${text}" (expected METRIC +SHARE or METRIC -SHARE, for example publish.p99 +10%)`);
        const [, name, sign, digitsOf, unit] = found, share = unit === '%';
        if (!share && (isTime(name) ? !SECONDS.has(unit) : unit))
            throw new Error(`the limit "${text}" needs ${isTime(name) ? 'a share such as 10% or a time such as 5ms' : 'a share such as 10% or a number'}`);
        return {text: text.trim(), name, share, sign: sign === '+' ? 1 : -1,
            amount: share ? digitsOf / 100 : Number(digitsOf) * (SECONDS.get(unit) || 1)};
    };
    const judge = (limit, pair) => {
        const before = valuesOf(pair.before).get(limit.name), after = valuesOf(pair.after).get(limit.name);
        if (!before && !after)
            throw new Error(`unknown metric "${limit.name}" in the limit "${limit.text}"`);
        if (!before || !after || before.value === null || after.value === null)
            return {ok: false, text: 'no value'};
        const change = (after.value - before.value) * limit.sign;
        const most = limit.share ? Math.abs(before.value) * limit.amount : limit.amount;
        return {ok: change <= most, text: `${before.format(after.value)}, was ${before.format(before.value)}${
            before.value && after.value !== before.value ? `: ${changeOf(before.value, after.value)}` : ''}`};
    };
    // {limit, simulation, ok, text} of each limit in each simulation.
    const judged = (runs) => {
        const pairs = pairsOf(runs).filter((pair) => pair.before && pair.after), limits = runs.limits.map(parseLimit);
        if (limits.length && !pairs.length)
            throw new Error('there is no simulation that both runs have, so that no limit can be judged');
        return limits.flatMap((limit) => pairs.map((pair) => ({limit: limit.text, simulation: pair.name, ...judge(limit, pair)})));
    };

    // ------------------------------------------------------------------ text

    const width = (text) => [...text].length;
    const plain = (text) => String(text).replace(/[\0-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
    const lines = (title, rows) => {
        const cell = (text, size) => ' '.repeat(Math.max(1, size - width(text))) + text;
        return rows.length ? [title, ...rows.map(([name, before, after, change]) =>
            `  ${plain(name)}${' '.repeat(Math.max(1, 28 - width(plain(name))))}${cell(before, 14)}${cell(after, 14)}${cell(change, 12)}`.trimEnd())] : [];
    };
    const sentence = (reasons) => reasons.map((reason) => `these runs cannot be compared: ${plain(reason)}`);
    // {before, after, limits, names}: the names are those of the two files.
    const parse = (given) => {
        const runs = JSON.parse(given);
        [runs.before, runs.after].forEach((summary, at) => {
            try {
                checkSummary(summary);
            } catch (error) {
                throw new Error(`${runs.names[at]}: ${error.message}`);
            }
        });
        return runs;
    };
    // The first limit that is crossed, where limits are judged.
    const crossedOf = (reasons, limits) => reasons.length ? undefined : limits.find((limit) => !limit.ok);
    const verdictOf = (reasons, limits) => {
        const crossed = crossedOf(reasons, limits);
        return !limits.length ? '' : reasons.length ? 'PASSED: no limit was judged, since the runs cannot be compared\n'
            : crossed ? `FAILED: ${plain(crossed.limit)} does not hold: ${crossed.text}\n`
            : `PASSED: ${limits.length} ${limits.length === 1 ? 'limit holds' : 'limits hold'}\n`;
    };
    // The first line is 1 when a limit is crossed, else 0; then come the lines of warnings, an empty
    // line, and the text, whose last line is the verdict where there are limits.
    const print = (given) => {
        const runs = parse(given), reasons = differences(runs), limits = judged(runs);
        const head = (run) => `${plain(run.started || '')}  ${plain(run.verdict)}`;
        return [crossedOf(reasons, limits) ? '1' : '0', ...sentence(reasons), '',
            `${plain(runs.before.job)}: before  ${head(runs.before)}`, `${' '.repeat(width(plain(runs.after.job)))}  after   ${head(runs.after)}`,
            ...lines('steps', stepRows(runs)),
            ...pairsOf(runs).filter((pair) => pair.before && pair.after).flatMap((pair) => lines(`simulation ${plain(pair.name)}`, rowsOf(pair))),
            ...limits.map((limit) => `limit ${plain(limit.limit)}${runs.after.simulations.length > 1 ? ` of ${plain(limit.simulation)}` : ''}: ${
                reasons.length ? 'not judged' : limit.ok ? 'ok' : 'crossed'} (${limit.text})`)].join('\n') + '\n' + verdictOf(reasons, limits);
    };

    // ------------------------------------------------------------------ page

    const charts = (runs) => pairsOf(runs).flatMap((pair, at) => pair.before && pair.after ? ['connect', 'publish', 'end_to_end'].map((name) => {
        const chart = distributionChart([['before', pair.before[`${name}_seconds`]], ['after', pair.after[`${name}_seconds`]]]);
        return chart && {id: `simulation-${at}/${name}`, x: chart.x, chart: {...chart, key: name, title: `Distribution of ${name.replace(/_/g, ' ')}`}};
    }).filter((entry) => entry) : []);
    const HEADS = ['Before', 'After', 'Change'];
    const about = (run) => [moment(run.started), run.run, run.version, run.machine ? `${run.machine.system}, ${run.machine.cores} cores` : '–', span(run.seconds), run.verdict];
    // Title and body of the file, as page.file() has them.
    const file = (given) => {
        const runs = parse(given), reasons = differences(runs), limits = judged(runs), drawn = charts(runs);
        const crossed = crossedOf(reasons, limits), {before, after} = runs;
        const verdict = reasons.length ? 'These runs cannot be compared' : !limits.length ? 'Two runs' : crossed ? 'A limit is crossed' : 'All limits hold';
        const one = about(before), other = about(after);
        const body = html`<section id="verdict"><h1>${after.job}</h1><p class="verdict ${reasons.length || !limits.length ? '' : crossed ? 'bad' : 'good'}">${verdict}</p>${
            sentence(reasons).map((text) => html`<p class="note">${text}</p>`)}${
            table('Limits', ['Limit', 'Simulation', 'Measured', 'Result'], limits.map((limit) => [html`<code>${limit.limit}</code>`, limit.simulation, limit.text,
                reasons.length ? 'not judged' : state(limit.ok, limit.ok ? 'holds' : 'crossed')]), {texts: [1, 2, 3]})}${
            table('The runs', ['', 'Before', 'After'], ['began', 'run', 'version', 'machine', 'took', 'verdict'].map((name, at) => [name, one[at], other[at]]), {texts: [1, 2]})}${
            table('Steps', ['Step', ...HEADS], stepRows(runs))}</section>${
            pairsOf(runs).map((pair, at) => pair.before && pair.after && html`<section id="simulation-${at}"><h2>Simulation ${pair.name}</h2>${
                table('Numbers', ['Name', ...HEADS], rowsOf(pair).map(([name, ...rest]) => [html`<code>${name}</code>`, ...rest]))}${
                drawn.filter(({id}) => id.startsWith(`simulation-${at}/`)).map(({x, chart}) => figure(chart, `simulation-${at}`, x))}</section>`)}`;
        return `${escape(`${after.job}: ${verdict}`).replace(/\n/g, ' ')}\n<main>${body}</main>\n<script type="application/json" id="data">${block(runs)}<\/script>`;
    };
    return {print, file, charts};
})();
