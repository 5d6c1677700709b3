// SPDX-License-Identifier: Apache-2.0
// The report's text: summary and series in, HTML out. It runs in iotifyd, which writes the file, and in
// the browser, where the page of a running job is made anew with each second. It knows no document.
'use strict';

const page = (() => {
    const ROWS_MAX = 7200;      // rows of a series that the page keeps
    const SVG_POINTS = 240;

    // ------------------------------------------------------------------ text

    class Markup {
        constructor(text) { this.text = text; }
        toString() { return this.text; }
    }
    const ENTITIES = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'};
    const escape = (text) => String(text)
        .replace(/[&<>"']/g, (character) => ENTITIES[character])
        // Controls other than line ends mean nothing in a page, and some of them reorder what is read.
        .replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
    const insert = (value) => value instanceof Markup ? value.text
        : Array.isArray(value) ? value.map(insert).join('')
        : value === null || value === undefined || value === false ? '' : escape(value);
    // The only way to markup: everything that is inserted is escaped, unless this has made it.
    const html = (strings, ...values) => new Markup(
        strings.reduce((text, string, at) => text + insert(values[at - 1]) + string));

    const digits = (value, most) => {
        const text = Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(most);
        return text.includes('e') ? text : text.includes('.') ? text.replace(/\.?0+$/, '') : text;
    };
    const count = (value) => value === null || value === undefined ? '–'
        : String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
    const time = (seconds) => seconds === null || seconds === undefined || Number.isNaN(seconds) ? '–'
        : seconds === 0 ? '0' : seconds < 1e-3 ? digits(seconds * 1e6, 3) + ' µs'
        : seconds < 1 ? digits(seconds * 1e3, 3) + ' ms'
        : seconds < 100 ? digits(seconds, 3) + ' s' : count(seconds) + ' s';
    const span = (seconds) => {
        const whole = Math.round(seconds), minutes = Math.round(whole / 60);
        return !(seconds >= 120) ? time(seconds) : whole < 7200 ? `${Math.floor(whole / 60)} min ${whole % 60} s`
            : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
    };
    const bytes = (value) => {
        if (!(value >= 0))
            return '–';
        const units = ['B', 'kB', 'MB', 'GB', 'TB'];
        let at = 0;
        for (; value >= 1000 && at < 4; at++)
            value /= 1000;
        return `${digits(value, 3)} ${units[at]}`;
    };
    const percent = (part, whole) => whole ? ` (${digits(100 * part / whole, 3)} %)` : '';
    const number = (value) => value === null || value === undefined ? '–' : digits(value, 4);
    const moment = (text) => text ? text.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC') : '–';

    // ------------------------------------------------------------------ series

    const splitLine = (line) => {
        if (!line.includes('"'))
            return line.split(',');
        const fields = [];
        for (const [, quoted, plain] of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g))
            fields.push(quoted === undefined ? plain : quoted.replace(/""/g, '"'));
        return fields;
    };
    const TEXTS = ['step', 'time', 'reasons'];

    const HIGHEST = /_(p50|p99|max)_seconds$/;
    const LAST = ['seconds', 'connected', 'stage', 'time', 'step', 'total', 'done', 'retried', 'throttled'];
    const AVERAGES = ['cpu', 'busy', 'intended_rate'];
    const mergeRows = (rows) => {
        const merged = {};
        for (const name of Object.keys(rows[0])) {
            const values = rows.map((row) => row[name]).filter((value) => value !== null);
            merged[name] = LAST.includes(name) ? rows[rows.length - 1][name]
                : name === 'reasons' ? values.filter((value) => value).join(';')
                : values.length === 0 ? null
                : HIGHEST.test(name) ? Math.max(...values)
                : values.reduce((sum, value) => sum + value, 0) / (AVERAGES.includes(name) ? values.length : 1);
        }
        return merged;
    };
    const thin = (rows, most) => {
        const width = Math.ceil(rows.length / most), merged = [];
        if (width <= 1)
            return rows;
        for (let at = 0; at < rows.length; at += width)
            merged.push(mergeRows(rows.slice(at, at + width)));
        return merged;
    };

    const countLines = (text) => {
        let count = 0;
        for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1))
            count++;
        return count;
    };
    // The steps of a series, with their rows as objects. A long series is merged while it is read:
    // `width` rows become one. A row that is not whole, as the last one after a full disk, is left out.
    const parseSeries = (text) => {
        const lines = countLines(text), width = Math.max(1, Math.ceil((lines - 1) / ROWS_MAX));
        const end = text.indexOf('\n');
        const names = splitLine(text.slice(0, end < 0 ? undefined : end));
        if (!names.includes('step') || !names.includes('seconds'))
            throw new Error('it has no columns "step" and "seconds"');
        const steps = [];
        let broken = text.endsWith('\n') ? 0 : 1, pending = [], last = null;
        const flush = () => {
            if (pending.length)
                steps[steps.length - 1].rows.push(pending.length > 1 ? mergeRows(pending) : pending[0]);
            pending = [];
        };
        for (let at = end + 1, to; at > 0 && (to = text.indexOf('\n', at)) >= 0; at = to + 1) {
            const fields = splitLine(text.slice(at, to));
            if (fields.length !== names.length) {
                broken++;
                continue;
            }
            const row = {};
            names.forEach((name, column) => row[name] = TEXTS.includes(name) ? fields[column]
                : fields[column] === '' ? null : Number(fields[column]));
            // A step begins where the name changes, or where the time starts again.
            if (!last || row.step !== last.step || row.seconds < last.seconds) {
                flush();
                steps.push({name: row.step, rows: []});
            }
            pending.push(row);
            last = row;
            if (pending.length === width)
                flush();
        }
        flush();
        return {names, steps, width, broken};
    };
    const quote = (text) => /[,"]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
    const formatSeries = ({names, steps}) => names.join(',') + '\n' + steps.flatMap(({rows}) => rows).map((row) =>
        names.map((name) => TEXTS.includes(name) ? quote(row[name]) : row[name] === null ? '' : Number(row[name].toPrecision(10))).join(',') + '\n').join('');

    const reasonsOf = (row) => (row.reasons || '').split(';').filter((entry) => entry).map((entry) => {
        const space = entry.lastIndexOf(' ');
        return [entry.slice(0, space), Number(entry.slice(space + 1))];
    });

    // ------------------------------------------------------------------ histograms

    // As in core/report/histogram.c: 2,048 buckets of a nanosecond, then 1,024 for each power of two.
    const bucketEnd = (bucket) => {
        const shift = bucket < 2048 ? 0 : Math.floor(bucket / 1024) - 1;
        return ((bucket - shift * 1024 + 1) * 2 ** shift - 1) / 1e9;
    };
    const bucketsOf = (histogram) => {
        const buckets = [];
        for (let at = 0, next = 0; histogram.buckets && at + 1 < histogram.buckets.length; at += 2) {
            next += histogram.buckets[at];
            buckets.push([bucketEnd(next++), histogram.buckets[at + 1]]);
        }
        return buckets;
    };
    // Shares of all values in 20 columns per power of ten.
    const columnsOf = (histogram) => {
        const columns = new Map();
        for (const [value, many] of bucketsOf(histogram)) {
            const column = Math.floor(Math.log10(Math.max(value, 1e-9)) * 20);
            columns.set(column, (columns.get(column) || 0) + many);
        }
        return columns;
    };

    // ------------------------------------------------------------------ charts

    // A chart: {key, title, note, x, xLog, series: [{label, values, axis, format}], bands: [{from, to, label}]}
    // with axes {left, right}: {label, log, format}.

    const column = (rows, name) => rows.map((row) => row[name] === undefined ? null : row[name]);
    const hasValues = (values) => values.some((value) => value !== null);
    const perSecond = (rows, name) => rows.map((row, at) => {
        const period = row.seconds - (at ? rows[at - 1].seconds : 0);
        return row[name] === null || row[name] === undefined || period <= 0 ? null : row[name] / period;
    });
    const growth = (rows, name) => rows.map((row, at) => {
        const before = at ? rows[at - 1] : {seconds: 0, [name]: 0};
        const period = row.seconds - before.seconds;
        return row[name] === null || row[name] === undefined || period <= 0 ? null : (row[name] - before[name]) / period;
    });
    const rate = (value) => !(value >= 0) ? '–' : `${value < 10 ? digits(value, 2) : count(value)}/s`;
    const only = (series) => series.filter((line) => hasValues(line.values));

    const stageBands = (rows, stages) => {
        const bands = [];
        for (const row of rows) {
            const last = bands[bands.length - 1];
            if (!row.stage)
                continue;
            if (!last || last.stage !== row.stage) {
                const stage = stages[row.stage - 1] || {};
                bands.push({stage: row.stage, from: last ? last.to : 0, to: row.seconds,
                    label: stage.name || `stage ${row.stage}`, storm: stage.storm > 0});
            }
            bands[bands.length - 1].to = row.seconds;
        }
        return bands;
    };

    const loadChart = (rows, bands) => ({
        key: 'load', title: 'Load', bands,
        axes: {left: {label: 'messages per second', format: rate}, right: {label: 'connections', format: count}},
        series: only([
            {label: 'intended', values: column(rows, 'intended_rate'), format: rate, dashed: true},
            {label: 'published', values: perSecond(rows, 'published'), format: rate},
            {label: 'acknowledged', values: perSecond(rows, 'acknowledged'), format: rate},
            {label: 'received', values: rows.some((row) => row.received) ? perSecond(rows, 'received') : [], format: rate},
            {label: 'connected', values: column(rows, 'connected'), axis: 'right', format: count}])});
    const latencyChart = (rows, bands, key, title, names) => ({
        key, title, bands, axes: {left: {label: 'time, logarithmic', log: true, format: time}},
        series: only(names.map(([label, name]) => ({label, values: column(rows, name), format: time})))});
    const failureChart = (rows, bands) => {
        const reasons = new Map();
        rows.forEach((row, at) => reasonsOf(row).forEach(([code, many]) => {
            if (!reasons.has(code))
                reasons.set(code, rows.map(() => 0));
            reasons.get(code)[at] += many;
        }));
        const largest = [...reasons].map(([code, values]) => [code, values, values.reduce((a, b) => a + b, 0)])
            .sort((a, b) => b[2] - a[2]).slice(0, 7);
        return {key: 'failures', title: 'Failures over time', bands, bars: true,
            axes: {left: {label: 'failures in the period', format: count}},
            series: largest.map(([label, values]) => ({label, values, format: count}))};
    };
    const generatorChart = (rows, bands) => ({
        key: 'generator', title: 'This machine: lateness and load', bands,
        axes: {left: {label: 'own delay, logarithmic', log: true, format: time}, right: {label: 'cores, busy share', format: number}},
        series: only([
            {label: 'delay p99', values: column(rows, 'lag_p99_seconds'), format: time},
            {label: 'cores', values: column(rows, 'cpu'), axis: 'right', format: number},
            {label: 'busiest loop', values: column(rows, 'busy'), axis: 'right', format: number}])});
    const distributionChart = (simulation) => {
        const lines = ['connect', 'publish', 'end_to_end'].filter((name) => simulation[`${name}_seconds`])
            .map((name) => [name.replace(/_/g, ' '), columnsOf(simulation[`${name}_seconds`]), simulation[`${name}_seconds`].count]);
        const all = lines.flatMap(([, columns]) => [...columns.keys()]);
        if (!all.length)
            return null;
        const low = all.reduce((a, b) => Math.min(a, b)) - 1, high = all.reduce((a, b) => Math.max(a, b)) + 1;
        const steps = Array.from({length: high - low + 1}, (_, at) => low + at);
        return {key: 'distribution', title: 'Distribution', xLog: true, bands: [],
            note: 'Share of all values per column; the time axis is logarithmic, with 20 columns per power of ten.',
            x: steps.map((step) => 10 ** ((step + 0.5) / 20)), axes: {left: {label: 'share of all values', format: (value) => `${number(value)} %`}},
            series: lines.map(([label, columns, total]) => ({label, format: (value) => `${number(value)} %`,
                values: steps.map((step) => 100 * (columns.get(step) || 0) / total)}))};
    };
    const stepCharts = (rows) => {
        const lines = only([
            {label: 'devices done', values: column(rows, 'done'), axis: 'right', format: count},
            {label: 'devices per second', values: growth(rows, 'done'), format: rate},
            {label: 'throttled', values: growth(rows, 'throttled'), format: rate},
            {label: 'repeated', values: growth(rows, 'retried'), format: rate}]);
        return [{key: 'pace', title: 'Pace', bands: [], series: lines,
            axes: {left: {label: 'per second', format: rate}, right: {label: 'devices', format: count}}}];
    };
    const simulationCharts = (simulation, rows) => {
        const bands = stageBands(rows, simulation.stages || []);
        return [loadChart(rows, bands),
            latencyChart(rows, bands, 'latency', 'Latency over time', [
                ['publish p50', 'publish_p50_seconds'], ['publish p99', 'publish_p99_seconds'], ['publish max', 'publish_max_seconds'],
                ['end to end p50', 'end_to_end_p50_seconds'], ['end to end p99', 'end_to_end_p99_seconds'],
                ['end to end max', 'end_to_end_max_seconds']]),
            latencyChart(rows, bands, 'connect', 'Connecting over time', [
                ['connect p50', 'connect_p50_seconds'], ['connect p99', 'connect_p99_seconds'],
                ['tcp p99', 'connect_tcp_p99_seconds'], ['tls p99', 'connect_tls_p99_seconds'],
                ['session p99', 'connect_session_p99_seconds']]),
            failureChart(rows, bands), generatorChart(rows, bands)];
    };

    // ------------------------------------------------------------------ charts as SVG

    const WIDTH = 720, HEIGHT = 200, LEFT = 70, RIGHT = 64, TOP = 14, BOTTOM = 22;

    const niceSteps = (high) => {
        const raw = high / 4, power = 10 ** Math.floor(Math.log10(raw));
        const step = power * ([1, 2, 2.5, 5].find((factor) => factor * power >= raw) || 10);
        return Array.from({length: Math.floor(high / step + 1e-9) + 1}, (_, at) => at * step);
    };
    const logSteps = (low, high) => {
        const steps = [];
        for (let power = Math.ceil(Math.log10(low) - 1e-9); power <= Math.log10(high) + 1e-9; power++)
            steps.push(10 ** power);
        return steps;
    };
    // A scale: position of a value between 0 and 1, and ticks.
    const scaleOf = (values, log) => {
        const known = values.filter((value) => value !== null && (!log || value > 0));
        if (!known.length)
            return null;
        let high = known.reduce((a, b) => Math.max(a, b));
        if (!log) {
            high = high > 0 ? high * 1.05 : 1;
            return {at: (value) => value / high, ticks: niceSteps(high)};
        }
        let low = known.reduce((a, b) => Math.min(a, b));
        low = 10 ** Math.floor(Math.log10(low));
        high = 10 ** Math.ceil(Math.log10(high * 1.0001));
        return {at: (value) => value > 0 ? Math.log10(value / low) / Math.log10(high / low) : null, ticks: logSteps(low, high)};
    };
    const fixed = (value) => String(Math.round(value * 10) / 10);

    const svgPath = (xs, values, x, y) => {
        let path = '', pen = false;
        values.forEach((value, at) => {
            const across = value === null ? null : x.at(xs[at]), up = value === null ? null : y.at(value);
            if (across === null || up === null) {
                pen = false;
                return;
            }
            path += `${pen ? 'L' : 'M'}${fixed(LEFT + across * (WIDTH - LEFT - RIGHT))} ${fixed(TOP + (1 - up) * (HEIGHT - TOP - BOTTOM))}`;
            // A value between two gaps is a dot.
            path += pen ? '' : 'h.1';
            pen = true;
        });
        return path;
    };
    const svg = (chart, xs) => {
        const x = chart.xLog ? scaleOf(xs, true) : scaleOf([...xs, 1e-9], false);
        const ofAxis = (axis) => chart.series.filter((line) => (line.axis || 'left') === axis);
        const scales = {};
        for (const axis of ['left', 'right'])
            if (chart.axes[axis])
                scales[axis] = scaleOf(ofAxis(axis).flatMap((line) => line.values), chart.axes[axis].log);
        const right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
        const across = (value) => LEFT + x.at(value) * (right - LEFT);
        const up = (scale, value) => TOP + (1 - scale.at(value)) * (bottom - TOP);
        return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${chart.title}: ${chart.series.map((line) => line.label).join(', ')}">${
            chart.bands.map((band, at) => html`<rect class="band b${at % 2}${band.storm ? ' storm' : ''}" x="${fixed(across(band.from))}" y="${TOP}" width="${
                fixed(Math.max(across(band.to) - across(band.from), 0.5))}" height="${bottom - TOP}"/><text class="tick" x="${fixed(across(band.from) + 2)}" y="${TOP - 4}">${band.label}</text>`)}${
            scales.left && scales.left.ticks.map((tick) => html`<path class="grid" d="M${LEFT} ${fixed(up(scales.left, tick))}H${right}"/><text class="tick end" x="${LEFT - 6}" y="${fixed(up(scales.left, tick) + 4)}">${chart.axes.left.format(tick)}</text>`)}${
            scales.right && scales.right.ticks.map((tick) => html`<text class="tick" x="${right + 6}" y="${fixed(up(scales.right, tick) + 4)}">${chart.axes.right.format(tick)}</text>`)}${
            x.ticks.map((tick) => html`<text class="tick middle" x="${fixed(across(tick))}" y="${HEIGHT - 6}">${chart.xLog ? time(tick) : span(tick)}</text>`)}${
            chart.series.map((line, at) => scales[line.axis || 'left'] && html`<path class="line s${at}${line.dashed ? ' dashed' : ''}" d="${svgPath(xs, line.values, x, scales[line.axis || 'left'])}"/>`)}</svg>`;
    };

    // ------------------------------------------------------------------ parts of the page

    const table = (caption, heads, rows, more) => rows.length === 0 ? '' : html`<table${more && more.wide ? new Markup(' class="wide"') : ''}><caption>${caption}</caption><thead><tr>${
        heads.map((head, at) => html`<th scope="col"${at && !(more && more.texts || []).includes(at) ? new Markup(' class="n"') : ''}>${head}</th>`)}</tr></thead><tbody>${
        rows.map((cells) => html`<tr>${cells.map((cell, at) => at === 0 ? html`<th scope="row">${cell}</th>`
            : html`<td${(more && more.texts || []).includes(at) ? '' : new Markup(' class="n"')}>${cell}</td>`)}</tr>`)}</tbody></table>`;
    const facts = (pairs) => html`<dl>${pairs.filter(([, value]) => value !== null && value !== undefined && value !== '').map(
        ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
    const state = (good, text) => html`<span class="${good ? 'good' : 'bad'}">${good ? '✓' : '✗'} ${text}</span>`;

    const figure = (chart, id, xs) => !chart || !chart.series.length ? '' : html`<figure tabindex="0" data-chart="${id}/${chart.key}"><figcaption>${chart.title} <small>${chart.note}</small> <output></output></figcaption><div class="plot">${svg(chart, xs)}</div><ul class="legend">${
        chart.series.map((line, at) => html`<li class="k${at}">${line.label}</li>`)}</ul></figure>`;

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
    const errors = (list, caption) => table(caption, ['Reason', 'Count', 'First device', 'Text'], list.map((error) => [
        html`<code>${error.code}</code>`, count(error.count), error.first_client === null ? '' : String(error.first_client), error.message]), {wide: true, texts: [3]});

    const header = (model) => {
        const summary = model.summary, good = summary.exit === 0;
        const word = model.running ? 'running' : good ? 'good' : 'bad';
        const running = model.running;
        return html`<h1>${summary.job}</h1><p class="verdict ${word}" role="status">${
            running ? `RUNNING: ${running.step}, ${span(Math.round(running.seconds))}` : summary.verdict}</p>${
            running && running.total > 0 && html`<p><progress max="${running.total}" value="${running.done}" aria-label="devices done"></progress> ${
                count(running.done)} of ${count(running.total)} devices${running.failed > 0 && `, ${count(running.failed)} failed`}${
                running.operation && `, ${running.operation} at ${rate(running.rate)} sets the pace`}${
                running.throttled > 0 && `, ${count(running.throttled)} throttled`}${
                running.seconds_left > 0 && `, about ${span(Math.ceil(running.seconds_left))} left`}</p>`}${
            model.notes.map((note) => html`<p class="note">${note}</p>`)}${thresholds(summary.thresholds || [])}`;
    };
    const about = (summary) => {
        const machine = summary.machine || {};
        return html`<h2>What was run</h2>${facts([
            ['job', summary.job], ['run', summary.run], ['version', `iotifyd ${summary.version}`], ['seed', summary.seed],
            ['began', moment(summary.started)], ['ended', moment(summary.ended)], ['took', span(summary.seconds)],
            ['exit code', String(summary.exit)],
            ['machine', machine.system && `${machine.system}, ${machine.cores} cores, ${bytes(machine.memory)}`]])}`;
    };
    const stepName = (step) => `${step.pipeline}/${step.name || step.step}`;
    const steps = (summary) => html`<h2>Steps</h2>${table('Steps', ['Step', 'Devices', 'Done', 'Up to date', 'Repaired', 'Failed', 'Not begun', 'Repeated calls', 'Throttled', 'Time'],
        summary.steps.map((step) => [stepName(step), step.total > 1 || step.scope === 'device' ? count(step.total) : '', count(step.ok), count(step.unchanged), count(step.repaired),
            step.failed ? html`<b class="bad">${count(step.failed)}</b>` : '0', count(step.skipped), count(step.retried), count(step.throttled), span(step.seconds)]))}${
        summary.steps.map((step) => errors(step.errors || [], `Failures of ${stepName(step)}`))}`;
    const calls = (step) => table('Calls', ['Operation', 'Calls', 'Per second', 'Quota per second', 'Throttled', 'Repeated'],
        (step.calls || []).map((call) => [html`<code>${call.operation}</code>`, count(call.count),
            step.seconds > 0 ? rate(call.count / step.seconds) : '–', call.quota ? rate(call.quota) : '–', count(call.throttled), count(call.retried)]));

    // The messages add up: each one that was published has one outcome.
    const ledger = (simulation) => {
        // Those that were acknowledged and did not return are counted as both.
        const unreturned = simulation.unreturned || 0;
        const parts = [['acknowledged', simulation.acknowledged - unreturned], ['lost', simulation.lost - unreturned]];
        if (unreturned)
            parts.push(['acknowledged, never returned', unreturned]);
        const rest = simulation.published - parts.reduce((sum, [, value]) => sum + value, 0);
        if (rest > 0)
            parts.push(['no outcome yet', rest]);
        let at = 0;
        const bar = simulation.published > 0 && html`<svg class="ledger" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label="${
            parts.map(([name, value]) => `${name} ${value}`).join(', ')} of ${simulation.published} published">${parts.map(([, value], index) => {
            const width = value ? Math.max(1000 * value / simulation.published, 2) : 0, from = at;
            at += width;
            return html`<rect class="p${index}" x="${fixed(from)}" y="0" width="${fixed(width)}" height="24"/>`;
        })}</svg>`;
        const others = ['failed', 'refused', 'abandoned', 'dropped', 'skipped', 'script_errors', 'duplicates', 'reordered', 'late', 'resent', 'resumed', 'closed', 'reconnects', 'received', 'verified'];
        return html`<h3>Every message</h3>${bar}${table(`${count(simulation.published)} messages were published`, ['Outcome', 'Messages'],
            parts.map(([name, value]) => [name, html`${count(value)}${percent(value, simulation.published)}`]))}${
            table('What else was counted', ['Count', 'Value', 'Meaning'], others.filter((name) => simulation[name]).map(
                (name) => [name.replace(/_/g, ' '), count(simulation[name]), MEANINGS[name] || '']), {texts: [2]})}`;
    };
    const MEANINGS = {
        failed: 'iterations that failed, refused messages among them', refused: 'messages that were not sent, since the server does not take them',
        abandoned: 'iterations that were cut off at the end', dropped: 'messages that were intended and not begun',
        skipped: 'iterations that were passed over, since the one before still waited', script_errors: 'errors in scripts, wherever they happened',
        duplicates: 'messages that came twice', reordered: 'messages that came after a later one', late: 'messages that came after the time for them',
        resent: 'messages that were sent again after a reconnect', resumed: 'sessions that the server had kept',
        closed: 'connections that ended without being asked to', reconnects: 'connections made again', received: 'messages that devices received',
        verified: 'messages that came back as they were sent'};

    const quantiles = (simulation) => table('Times', ['Time of', 'Count', 'Mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'Max'],
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
        stage.name ? `${at + 1} ${stage.name}` : String(at + 1), span(stage.seconds), count(stage.intended), html`${count(stage.reached)}${percent(stage.reached, stage.intended)}`, stage.unit]), {texts: [4]});
    const devices = (simulation) => table('Devices with failures (the first 100)', ['Device', 'Lost', 'Duplicates', 'Reordered', 'Late', 'Reasons'], (simulation.devices || []).map((device) => [
        String(device.client), count(device.lost), count(device.duplicates), count(device.reordered), count(device.late),
        Object.entries(device.reasons || {}).map(([code, many]) => `${code} ${many}`).join(', ')]), {texts: [5]});

    const simulationPart = (simulation, id, rows) => {
        const shown = thin(rows, SVG_POINTS), xs = column(shown, 'seconds');
        const seconds = simulation.seconds, generator = simulation.generator || {};
        const charts = rows.length ? Object.fromEntries(simulationCharts(simulation, shown).map((chart) => [chart.key, figure(chart, id, xs)])) : {};
        const distribution = distributionChart(simulation);
        return html`${facts([
            ['template', simulation.template], ['transport', simulation.transport], ['began', moment(simulation.started)], ['took', span(seconds)], ['seed', simulation.seed],
            ['devices', html`${count(simulation.clients)}, ${count(simulation.connected)} connected${percent(simulation.connected, simulation.clients)}`],
            ['sent', seconds > 0 && `${count(simulation.published)} messages, ${rate(simulation.published / seconds)}, ${bytes(simulation.bytes_out)}`],
            ['received', seconds > 0 && `${count(simulation.received)} messages, ${rate(simulation.received / seconds)}, ${bytes(simulation.bytes_in)}`]])}${
            generator.saturated && html`<p class="note">This machine was the bottleneck: own delay p99 ${time(generator.lag_p99_seconds)}, busiest loop ${digits(generator.busy * 100, 3)} %. Do not trust the latencies.</p>`}${
            charts.load}${stages(simulation)}${quantiles(simulation)}${charts.latency}${figure(distribution, id, distribution && distribution.x)}${charts.connect}${
            ledger(simulation)}<h3>Failures</h3>${simulation.errors && simulation.errors.length ? errors(simulation.errors, 'Failures by reason') : html`<p>None.</p>`}${charts.failures}${devices(simulation)}${
            metrics(simulation)}<h3>This machine</h3>${facts([['cores in use', number(generator.cpu)], ['busiest loop', `${digits((generator.busy || 0) * 100, 3)} %`],
                ['own delay p99', time(generator.lag_p99_seconds)], ['saturated', generator.saturated ? 'yes' : 'no']])}${charts.generator}`;
    };

    // ------------------------------------------------------------------ the page

    // {summary, csv, running, notes} → the model that the other functions take.
    const model = (data) => {
        for (const name of ['steps', 'simulations'])
            if (!Array.isArray(data.summary[name]))
                throw new Error(`the summary has no list "${name}"`);
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
        summary.steps.forEach((step, at) => {
            const shown = thin(rows.steps[at], SVG_POINTS), xs = column(shown, 'seconds');
            if (step.calls && step.calls.length || shown.length > 1)
                list.push({id: `step-${at}`, html: html`<h2>${stepName(step)}</h2>${calls(step)}${shown.length > 1 && stepCharts(shown).map((chart) => figure(chart, `step-${at}`, xs))}`});
        });
        summary.simulations.forEach((simulation, at) => list.push({id: `simulation-${at}`,
            html: html`<h2>Simulation ${simulation.name}</h2>${
                simulationPart(simulation, `simulation-${at}`, rows.simulations[at])}`}));
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
            const shown = rows.simulations[at], distribution = distributionChart(simulation);
            simulationCharts(simulation, shown).forEach((chart) => list.push({id: `simulation-${at}/${chart.key}`, x: column(shown, 'seconds'), chart}));
            if (distribution)
                list.push({id: `simulation-${at}/distribution`, x: distribution.x, chart: distribution});
        });
        return list.filter(({chart}) => chart.series.length);
    };

    const block = (value) => JSON.stringify(value).replace(/[<>&\u2028\u2029]/g,
        (character) => '\\u' + character.charCodeAt(0).toString(16).padStart(4, '0'));
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
    return {file, model, sections, charts, time, span};
})();
