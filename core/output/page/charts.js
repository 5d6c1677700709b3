// SPDX-License-Identifier: Apache-2.0
// Charts: their lines from the rows of a series and from histograms, and their drawing as SVG.
'use strict';

const pageCharts = (() => {
    const {html, digits, count, time, span, number} = pageText, {reasonsOf} = pageSeries;

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

    // ------------------------------------------------------------------ lines

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
            {label: 'acknowledged', values: perSecond(rows, 'acknowledged'), format: rate, dashed: true},
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
    // Of pairs [label, histogram].
    const distributionChart = (histograms) => {
        const lines = histograms.filter(([, histogram]) => histogram).map(([label, histogram]) => [label, columnsOf(histogram), histogram.count]);
        const all = lines.flatMap(([, columns]) => [...columns.keys()]);
        if (!all.length)
            return null;
        const low = all.reduce((a, b) => Math.min(a, b)) - 1, high = all.reduce((a, b) => Math.max(a, b)) + 1;
        const steps = Array.from({length: high - low + 1}, (_, at) => low + at);
        return {key: 'distribution', title: 'Distribution', xLog: true, bands: [],
            note: 'Share of all values per column; the time axis is logarithmic, with 20 columns per power of ten.',
            x: steps.map((step) => 10 ** ((step + 0.5) / 20)), axes: {left: {label: 'share of all values', format: (value) => `${number(value)}%`}},
            series: lines.map(([label, columns, total]) => ({label, format: (value) => `${number(value)}%`,
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

    // ------------------------------------------------------------------ SVG

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

    const figure = (chart, id, xs) => !chart || !chart.series.length ? '' : html`<figure tabindex="0" data-chart="${id}/${chart.key}"><figcaption>${chart.title} <small>${chart.note}</small> <output></output></figcaption><div class="plot">${svg(chart, xs)}</div><ul class="legend">${
        chart.series.map((line, at) => html`<li class="k${at}">${line.label}</li>`)}</ul></figure>`;
    return {column, rate, simulationCharts, stepCharts, distributionChart, figure, fixed};
})();
