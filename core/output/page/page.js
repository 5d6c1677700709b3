// SPDX-License-Identifier: Apache-2.0
// The report's text: summary and series in, HTML out. For a running job it is made anew with each second.
'use strict';

const page = (() => {
    const {escape, html, digits, count, time, span, bytes, percent, number, moment, table, facts, state, block, checkSummary} = pageText;
    const {thin, parseSeries, formatSeries} = pageSeries;
    const {column, rate, simulationCharts, stepCharts, distributionChart, figure, fixed} = pageCharts;
    const {ofSimulation, ofStep, unsentOf, intendedOf, timesOf, ENOUGH} = pageFindings;
    const SVG_POINTS = 240;

    // ------------------------------------------------------------------ parts of the page

    // Of these names a threshold compares times; all others are numbers.
    const TIMES = /^\s*(connect|connect_tcp|connect_tls|connect_session|publish|end_to_end|script|lag)\.(p\d+|max|mean)\s*[<>=!]/;
    const thresholdValue = (threshold) => threshold.value === null ? '–'
        : TIMES.test(threshold.expression) ? time(threshold.value) : number(threshold.value);
    const thresholds = (list) => {
        const several = new Set(list.map((threshold) => threshold.simulation)).size > 1;
        return table('Thresholds', ['Threshold', ...several ? ['Simulation'] : [], 'Measured', 'Result'], list.map((threshold) => [
            html`<code>${threshold.expression}</code>`, ...several ? [threshold.simulation] : [], thresholdValue(threshold),
            state(threshold.ok, (threshold.ok ? 'holds' : 'crossed') + (threshold.reason ? `: ${threshold.reason}` : ''))]), {texts: several ? [1, 3] : [2]});
    };
    const errors = (list, caption, rows) => table(caption, ['Reason', 'Count', 'First device', ...rows ? ['From', 'To'] : [], 'Text'], list.map((error) => {
        const times = rows && timesOf(rows, error.code);
        return [html`<code>${error.code}</code>`, count(error.count), error.first_client === null ? '' : String(error.first_client),
            ...rows ? times ? times.map(span) : ['', ''] : [], error.message];
    }), {wide: true, texts: [rows ? 5 : 3]});

    const findings = (model) => {
        const summary = model.summary, rows = assign(model), several = summary.steps.length > 1, list = [];
        for (const step of summary.steps) {
            const at = simulationOf(summary, step);
            const found = at >= 0 ? ofSimulation(summary.simulations[at], step, rows.simulations[at]) : ofStep(step);
            list.push(...found.map((text) => html`<li>${several && html`<b>${stepName(step)}</b>: `}${text}</li>`));
        }
        return list.length > 0 && html`<h2>What happened</h2><ul>${list}</ul>`;
    };
    const header = (model) => {
        const summary = model.summary, good = summary.exit === 0;
        const word = model.running ? 'running' : good ? 'good' : 'bad';
        const running = model.running;
        return html`<h1>${summary.job}</h1><p class="verdict ${word}" role="status">${
            running ? `RUNNING: ${running.step}, ${span(Math.round(running.seconds))}` : summary.verdict}</p>${
            running && (running.total > 0 || running.ends > 0) && html`<p><progress max="${running.ends || running.total}" value="${running.ends ? running.seconds : running.done}" aria-label="${running.unit} done"></progress> ${
                running.total > 0 && `${count(running.done)} of ${count(running.total)} ${running.unit}`}${running.failed > 0 && `, ${count(running.failed)} failed`}${
                running.operation && `, ${running.operation} at ${rate(running.rate)} sets the pace`}${
                running.throttled > 0 && `, ${count(running.throttled)} throttled`}${
                running.seconds_left > 0 && `, about ${span(Math.ceil(running.seconds_left))} left`}</p>`}${
            model.notes.map((note) => html`<p class="note">${note}</p>`)}${findings(model)}${thresholds(summary.thresholds || [])}`;
    };
    const about = (summary) => {
        const machine = summary.machine || {};
        return html`<h2>What was run</h2>${facts([
            ['job', summary.job], ['run', summary.run], ['version', `iotifyd ${summary.version}`], ['seed', summary.seed],
            ['began', moment(summary.started)], ['ended', moment(summary.ended)], ['took', span(summary.seconds)],
            ['exit code', String(summary.exit)],
            ['machine', machine.system && `${machine.system}, ${machine.cores} cores, ${bytes(machine.memory)}`]])}`;
    };
    const distribution = (simulation) => distributionChart(['connect', 'publish', 'end_to_end'].map((name) =>
        [name.replace(/_/g, ' '), simulation[`${name}_seconds`]]));
    // Its place among the simulations; -1: the step is none.
    const simulationOf = (summary, step) => summary.simulations.findIndex((each) => each.name === step.name);
    const stepName = (step) => `${step.pipeline}/${step.name || step.step}`;
    const steps = (summary) => html`<h2>Steps</h2>${table('Devices by step; of a simulation, done are those that connected, and failed those that never did', ['Step', 'Devices', 'Done', 'Up to date', 'Repaired', 'Failed', 'Not begun', 'Repeated calls', 'Throttled', 'Time'],
        summary.steps.map((step) => [stepName(step), step.total > 1 || step.scope === 'device' ? count(step.total) : '', count(step.ok), count(step.unchanged), count(step.repaired),
            step.failed ? html`<b class="bad">${count(step.failed)}</b>` : '0', count(step.skipped), count(step.retried), count(step.throttled), span(step.seconds)]))}${
        summary.steps.map((step) => errors(step.errors || [], `Failures of ${stepName(step)}`))}`;
    const calls = (step) => table('Calls, also those that came too early and were made again', ['Operation', 'Calls', 'Per second', 'Quota per second', 'Throttled', 'Repeated'],
        (step.calls || []).map((call) => [html`<code>${call.operation}</code>`, count(call.count),
            step.seconds >= 1 ? rate(call.count / step.seconds) : '–', call.quota ? rate(call.quota) : '–', count(call.throttled), count(call.retried)]));

    // The messages add up: each one that was intended has one outcome.
    const ledger = (simulation) => {
        // Those that were acknowledged and did not return are counted as both.
        const unreturned = simulation.unreturned || 0, intended = intendedOf(simulation);
        const parts = [['acknowledged', simulation.acknowledged - unreturned, 0], ['lost', simulation.lost - unreturned, 1]];
        if (unreturned)
            parts.push(['acknowledged, never returned', unreturned, 2]);
        const rest = simulation.published - parts.reduce((sum, [, value]) => sum + value, 0);
        if (rest > 0)
            parts.push(['no outcome yet', rest, 3]);
        for (const [name, value] of unsentOf(simulation))
            if (value)
                parts.push([`not sent: ${name}`, value, name === 'failed' ? 4 : 5]);
        let at = 0;
        const bar = intended > 0 && html`<svg class="ledger" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label="${
            parts.map(([name, value]) => `${name} ${value}`).join(', ')} of ${intended} intended">${parts.map(([, value, color]) => {
            const width = value ? Math.max(1000 * value / intended, 2) : 0, from = at;
            at += width;
            return html`<rect class="p${color}" x="${fixed(from)}" y="0" width="${fixed(width)}" height="24"/>`;
        })}</svg>`;
        const others = ['refused', 'failed', 'dropped', 'skipped', 'abandoned', 'script_errors', 'duplicates', 'reordered', 'late', 'resent', 'resumed', 'closed', 'reconnects', 'received', 'verified'];
        return html`<h3>Every message</h3>${bar}${table(`${count(intended)} messages were intended, ${count(simulation.published)} published`, ['Outcome', 'Messages'],
            parts.map(([name, value, color]) => [html`<span class="key p${color}"></span>${name}`, html`${count(value)}${percent(value, intended)}`]))}${
            table('What else was counted', ['Count', 'Value', 'Meaning'], others.filter((name) => simulation[name]).map(
                (name) => [name.replace(/_/g, ' '), count(simulation[name]), MEANINGS[name] || '']), {texts: [2]})}`;
    };
    const MEANINGS = {
        failed: 'iterations that failed, refused messages among them, and devices that gave up', refused: 'messages that were not sent, since the server does not take them',
        abandoned: 'iterations that were cut off at the end', dropped: 'messages that were intended and never begun',
        skipped: 'iterations that were passed over, since the one before still waited', script_errors: 'errors in scripts, wherever they happened',
        duplicates: 'messages that came twice', reordered: 'messages that came after a later one', late: 'messages that came after the time for them',
        resent: 'messages that were sent again after a reconnect', resumed: 'sessions that the server had kept',
        closed: 'connections that ended without being asked to', reconnects: 'connections that were made again', received: 'messages that devices received',
        verified: 'messages that came back as they were sent'};

    const quantiles = (simulation) => table('Times; publish and end to end count from the intended moment, with the own delay', ['Time of', 'Count', 'Mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'Max'],
        [['connect', 'connect'], ['connect_tcp', 'tcp'], ['connect_tls', 'tls'], ['connect_session', 'session'], ['publish', 'publish'],
            ['end_to_end', 'end to end'], ['script', 'script'], ['lag', 'own delay']]
            .filter(([name]) => simulation[`${name}_seconds`]).map(([name, label]) => {
                const times = simulation[`${name}_seconds`];
                return [label, count(times.count), ...['mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'].map((part) => time(times[part]))];
            }));
    const metrics = (simulation) => table('Metrics of scripts', ['Metric', 'Count', 'Sum', 'Mean', 'Min', 'p50', 'p99', 'Max'],
        Object.entries(simulation.metrics || {}).map(([name, metric]) => [html`<code>${name}</code>`, count(metric.count),
            ...['sum', 'mean', 'min', 'p50', 'p99', 'max'].map((part) => number(metric[part]))]));
    const stages = (simulation) => table('Stages', ['Stage', 'Time', 'Intended', 'Reached', 'Unit'], (simulation.stages || []).map((stage, at) => [
        stage.name ? `${at + 1} ${stage.name}` : String(at + 1), span(stage.seconds), count(stage.intended),
        html`<span class="${stage.reached < ENOUGH * stage.intended && 'bad'}">${count(stage.reached)}${percent(stage.reached, stage.intended)}</span>`, stage.unit]), {texts: [4]});
    // Devices with the same counts and reasons are one row.
    const devices = (simulation) => {
        const groups = new Map();
        for (const device of simulation.devices || []) {
            const cells = [...['lost', 'duplicates', 'reordered', 'late'].map((name) => count(device[name])),
                Object.entries(device.reasons || {}).map(([code, many]) => `${code} ${many}`).join(', ')];
            const key = JSON.stringify(cells);
            groups.set(key, {cells, clients: [...groups.has(key) ? groups.get(key).clients : [], device.client]});
        }
        return table('Devices with failures (the first 100)', ['Devices', 'Lost', 'Duplicates', 'Reordered', 'Late', 'Reasons'],
            [...groups.values()].map(({cells, clients}) => [ranges(clients), ...cells]), {texts: [5]});
    };
    // 0, 1, 2, 7 → "0–2, 7 (4 devices)"
    const ranges = (clients) => {
        const list = [];
        for (const client of clients) {
            const last = list[list.length - 1];
            if (last && client === last[1] + 1)
                last[1] = client;
            else
                list.push([client, client]);
        }
        return list.map(([from, to]) => from === to ? String(from) : `${from}–${to}`).join(', ') + (clients.length > 1 ? ` (${count(clients.length)} devices)` : '');
    };

    const words = html`<h2>Words</h2>${facts([
        ['device, client', 'a simulated device; both mean the same'], ['iteration', 'one run of a device\'s message(), which usually sends a message'],
        ['session', 'from the end of the TLS handshake, or of TCP, until the server has accepted the client and its subscriptions'],
        ['script', 'what message() took'], ['own delay', 'how much later than intended this machine sent a message'],
        ['busiest loop', 'share of its time in which the busiest of this machine\'s event loops was at work'],
        ['saturated', 'the own delay or the busiest loop was so high that this machine was the bottleneck'],
        ['up to date', 'there was nothing to do'], ['repaired', 'differed from its record, and was changed'], ['repeated', 'a call that failed and was made again'],
        ['crossed', 'a threshold that does not hold'], ['exit code', '0 passed, 1 a step failed, 99 a threshold was crossed, 128 and more a signal']])}`;

    const simulationPart = (simulation, id, rows) => {
        const shown = thin(rows, SVG_POINTS), xs = column(shown, 'seconds');
        const seconds = simulation.seconds, generator = simulation.generator || {};
        const charts = rows.length ? Object.fromEntries(simulationCharts(simulation, shown).map((chart) => [chart.key, figure(chart, id, xs)])) : {};
        const spread = distribution(simulation);
        return html`${facts([
            ['template', simulation.template], ['transport', simulation.transport], ['began', moment(simulation.started)],
            ['took', `${span(seconds)}${simulation.planned_seconds ? ` of ${span(simulation.planned_seconds)}` : ''}`], ['seed', simulation.seed],
            ['devices', html`${count(simulation.clients)}, ${count(simulation.connected)} connected at least once${percent(simulation.connected, simulation.clients)}`],
            ['sent', seconds > 0 && `${count(simulation.published)} messages, ${rate(simulation.published / seconds)}, ${bytes(simulation.bytes_out)}`],
            ['received', seconds > 0 && `${count(simulation.received)} messages, ${rate(simulation.received / seconds)}, ${bytes(simulation.bytes_in)}`]])}${
            generator.saturated && html`<p class="note">This machine was the bottleneck: own delay p99 ${time(generator.lag_p99_seconds)}, busiest loop ${digits(generator.busy * 100, 3)}%. Do not trust the latencies.</p>`}${
            charts.load}${stages(simulation)}${quantiles(simulation)}${charts.latency}${figure(spread, id, spread && spread.x)}${charts.connect}${
            ledger(simulation)}<h3>Failures</h3>${simulation.errors && simulation.errors.length ? errors(simulation.errors, 'Failures by reason', rows.length > 0 && rows) : html`<p>None.</p>`}${charts.failures}${devices(simulation)}${
            metrics(simulation)}<h3>This machine</h3>${facts([['cores in use', number(generator.cpu)], ['busiest loop', `${digits((generator.busy || 0) * 100, 3)}%`],
                ['own delay p99', time(generator.lag_p99_seconds)], ['saturated', generator.saturated ? 'yes' : 'no']])}${charts.generator}`;
    };

    // ------------------------------------------------------------------ the page

    // {summary, csv, running, notes} → the model that the other functions take.
    const model = (data) => {
        checkSummary(data.summary);
        const notes = [...(data.notes || [])];
        let series = {steps: [], width: 1};
        if (data.csv) {
            series = parseSeries(data.csv);
            if (series.broken)
                notes.push(`The series is not complete: rows that are not whole: ${count(series.broken)}.`);
            if (series.width > 1)
                notes.push(`A point of a chart stands for ${series.width} rows of the series, with the highest of their percentiles.`);
        }
        return {summary: data.summary, running: data.running, notes, series};
    };
    // Rows of the series by simulation and by other step; each is used once, in order.
    const assign = (made) => {
        const left = [...made.series.steps], line = (name) => String(name).replace(/[\r\n]/g, ' ');
        const take = (name) => {
            const at = left.findIndex((step) => step.name === line(name));
            return at < 0 ? [] : left.splice(at, 1)[0].rows;
        };
        return {simulations: made.summary.simulations.map((simulation) => take(simulation.name)),
            steps: made.summary.steps.map((step) => take(stepName(step)))};
    };

    // Sections [{id, html}], in the order of the page.
    const sections = (made) => {
        const summary = made.summary, rows = assign(made);
        const list = [{id: 'verdict', html: header(made)}, {id: 'about', html: about(summary)}, {id: 'steps', html: steps(summary)}];
        summary.simulations.forEach((simulation, at) => list.push({id: `simulation-${at}`,
            html: html`<h2>Simulation ${simulation.name}</h2>${
                simulationPart(simulation, `simulation-${at}`, rows.simulations[at])}`}));
        summary.steps.forEach((step, at) => {
            const shown = thin(rows.steps[at], SVG_POINTS), xs = column(shown, 'seconds');
            if (step.calls && step.calls.length || shown.length > 1)
                list.push({id: `step-${at}`, html: html`<h2>${stepName(step)}</h2>${calls(step)}${shown.length > 1 && stepCharts(shown).map((chart) => figure(chart, `step-${at}`, xs))}`});
        });
        list.push({id: 'words', html: words});
        return list.map(({id, html: text}) => ({id, html: String(text)}));
    };
    // All charts with all their points: [{id, x, chart}].
    const charts = (made) => {
        const rows = assign(made), list = [];
        made.summary.steps.forEach((_, at) => {
            const shown = rows.steps[at];
            stepCharts(shown).forEach((chart) => list.push({id: `step-${at}/${chart.key}`, x: column(shown, 'seconds'), chart}));
        });
        made.summary.simulations.forEach((simulation, at) => {
            const shown = rows.simulations[at], spread = distribution(simulation);
            simulationCharts(simulation, shown).forEach((chart) => list.push({id: `simulation-${at}/${chart.key}`, x: column(shown, 'seconds'), chart}));
            if (spread)
                list.push({id: `simulation-${at}/distribution`, x: spread.x, chart: spread});
        });
        return list.filter(({chart}) => chart.series.length);
    };

    // Title and body of the file, as HTML: the title is the first line. `text` is {summary, csv, notes}
    // as JSON.
    const file = (text) => {
        const data = JSON.parse(text), made = model(data);
        const title = escape(`${data.summary.job}: ${data.summary.verdict}`).replace(/\n/g, ' ');
        if (made.series.width > 1)
            Object.assign(data, {csv: formatSeries(made.series), notes: made.notes});
        return `${title}\n<main>${sections(made).map(({id, html: text}) => `<section id="${id}">${text}</section>`).join('\n')}</main>\n` +
            `<script type="application/json" id="data">${block(data)}<\/script>`;   // its own end would end this script
    };
    return {file, model, sections, charts, stepName};
})();
