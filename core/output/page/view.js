// SPDX-License-Identifier: Apache-2.0
// What the page does in a browser: charts that can be zoomed in place of the drawings, light and dark,
// and, for a running job, the events of the dashboard.
'use strict';

(() => {
    const plots = new Map();        // id: {plot, group, zooms}
    const root = document.documentElement;
    const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    let zooming = false;

    // ------------------------------------------------------------------ charts

    const drawBands = (bands) => (plot) => {
        const {left, top, width, height} = plot.bbox, context = plot.ctx;
        context.save();
        context.beginPath();
        context.rect(left, top, width, height);
        context.clip();
        bands.forEach((band, at) => {
            const from = plot.valToPos(band.from, 'x', true), to = plot.valToPos(band.to, 'x', true);
            context.fillStyle = color(band.storm ? '--storm' : at % 2 ? '--band-odd' : '--band');
            context.fillRect(from, top, to - from, height);
            context.fillStyle = color('--quiet');
            context.font = `${11 * devicePixelRatio}px sans-serif`;
            context.textAlign = 'left';
            context.textBaseline = 'alphabetic';
            context.fillText(band.label, Math.max(from, left) + 4 * devicePixelRatio, top + 12 * devicePixelRatio);
        });
        context.restore();
    };
    const find = (id) => [...document.querySelectorAll('figure')].find((each) => each.dataset.chart === id);
    // The other charts of the section show the same time.
    const sayRange = (id, plot) => {
        const figure = find(id), {min, max} = plot.scales.x, all = plot.data[0];
        if (!figure || !all.length)
            return;
        const text = id.endsWith('/distribution') ? pageText.time : pageText.span;
        figure.querySelector('output').textContent =
            min <= all[0] && max >= all[all.length - 1] ? '' : `${text(min)} to ${text(max)}`;
    };
    const follow = (id) => (plot, key) => {
        const own = plots.get(id);
        if (key === 'x')
            sayRange(id, plot);
        if (key !== 'x' || zooming || !own || !own.zooms)
            return;
        zooming = true;
        for (const [other, entry] of plots)
            if (other !== id && entry.group === own.group && entry.zooms)
                entry.plot.setScale('x', {min: plot.scales.x.min, max: plot.scales.x.max});
        zooming = false;
    };
    const scaleOf = (axis) => axis && axis.log ? {distr: 3} : {range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1]};
    // All of it begins with 0; a range that was chosen is kept.
    const fromStart = (plot, low, high) => {
        const x = plot.data[0];
        return [low === x[0] && high === x[x.length - 1] ? 0 : low, high > low ? high : low + 1];
    };
    const dataOf = ({x, chart}) => [x, ...chart.series.map((line) => chart.axes[line.axis || 'left'].log
        ? line.values.map((value) => value > 0 ? value : null) : line.values)];
    const options = (id, {chart}, width) => {
        const axis = (scale, side) => ({scale, side, stroke: color('--quiet'), label: chart.axes[scale].label, labelSize: 18, size: 78,
            labelFont: '12px sans-serif', font: '12px sans-serif', grid: {show: scale === 'left', stroke: color('--grid'), width: 1},
            ticks: {stroke: color('--grid'), width: 1}, values: (_, ticks) => ticks.map((tick) => tick === null ? '' : chart.axes[scale].format(tick))});
        const used = ['left', 'right'].filter((scale) => chart.axes[scale] && chart.series.some((line) => (line.axis || 'left') === scale));
        return {
            width, height: 240, padding: [8, 8, 0, 0],
            scales: Object.fromEntries([['x', {time: false, distr: chart.xLog ? 3 : 1, range: chart.xLog ? undefined : fromStart}], ...used.map((scale) => [scale, scaleOf(chart.axes[scale])])]),
            axes: [{stroke: color('--quiet'), font: '12px sans-serif', grid: {stroke: color('--grid'), width: 1}, ticks: {stroke: color('--grid'), width: 1},
                values: (_, ticks) => ticks.map((tick) => tick === null ? '' : chart.xLog ? pageText.time(tick) : pageText.span(tick))},
            ...used.map((scale) => axis(scale, scale === 'left' ? 3 : 1))],
            series: [{label: chart.xLog ? 'value' : 'time', value: (_, value) => value === null ? '–' : chart.xLog ? pageText.time(value) : pageText.span(value)},
                ...chart.series.map((line, at) => ({label: line.label, scale: line.axis || 'left', stroke: color(`--s${at}`), width: 1.5, spanGaps: false,
                    dash: line.dashed ? [6, 4] : undefined, points: {size: 4}, value: (_, value) => value === null ? '–' : line.format(value)}))],
            cursor: {sync: chart.xLog ? undefined : {key: id.split('/')[0], setSeries: false}, drag: {x: true, y: false, setScale: true}},
            hooks: {drawClear: [drawBands(chart.bands)], setScale: [follow(id)]},
        };
    };
    const shape = (entry) => JSON.stringify([entry.chart.series.map((line) => line.label), entry.chart.bands.map((band) => band.label)]);

    const show = (figure, entry) => {
        const id = figure.dataset.chart, target = figure.querySelector('.plot');
        const old = plots.get(id);
        if (old && old.shape === shape(entry)) {
            target.replaceChildren(old.plot.root);
            const {min, max} = old.plot.scales.x, all = old.plot.data[0];
            const zoomed = min > all[0] || max < all[all.length - 1];
            old.plot.setData(dataOf(entry), !zoomed);
            if (zoomed)
                old.plot.redraw();
        } else {
            if (old)
                old.plot.destroy();
            target.replaceChildren();
            const plot = new uPlot(options(id, entry, target.clientWidth || 720), dataOf(entry), target);
            plots.set(id, {plot, group: id.split('/')[0], zooms: !entry.chart.xLog, shape: shape(entry)});
        }
        figure.classList.add('drawn');
    };
    let charts = () => [];
    const showAll = () => {
        for (const entry of charts()) {
            const figure = find(entry.id);
            if (figure)
                show(figure, entry);
        }
    };

    // ------------------------------------------------------------------ keyboard, size, theme

    const keys = {'+': [0.5, 0], '=': [0.5, 0], '-': [2, 0], ArrowLeft: [1, -0.25], ArrowRight: [1, 0.25]};
    document.addEventListener('keydown', (event) => {
        const figure = event.target.closest && event.target.closest('figure[data-chart]');
        const entry = figure && plots.get(figure.dataset.chart);
        if (!entry || event.ctrlKey || event.metaKey || event.altKey || !entry.plot.data[0].length)
            return;
        const all = entry.plot.data[0], low = all[0], high = all[all.length - 1];
        if (event.key === '0' || event.key === 'Escape') {
            entry.plot.setScale('x', {min: low, max: high});
        } else if (keys[event.key]) {
            const [factor, shift] = keys[event.key], {min, max} = entry.plot.scales.x;
            const width = Math.min((max - min) * factor, high - low);
            const middle = (min + max) / 2 + (max - min) * shift;
            const from = Math.max(low, Math.min(middle - width / 2, high - width));
            entry.plot.setScale('x', {min: from, max: from + width});
        } else {
            return;
        }
        event.preventDefault();
    });
    const resize = () => {
        for (const {plot} of plots.values())
            if (plot.root.parentElement && plot.root.parentElement.clientWidth)
                plot.setSize({width: plot.root.parentElement.clientWidth, height: 240});
    };
    addEventListener('resize', resize);

    const redraw = () => {
        for (const {plot} of plots.values())
            plot.destroy();
        plots.clear();
        showAll();
    };
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches;
    const button = document.createElement('button');
    const name = () => button.textContent = isDark() ? 'Light' : 'Dark';
    button.id = 'theme';
    button.type = 'button';
    button.addEventListener('click', () => {
        root.dataset.theme = isDark() ? 'light' : 'dark';
        name();
        redraw();
    });
    dark.addEventListener('change', () => { name(); redraw(); });
    name();
    document.querySelector('header').append(button);

    // ------------------------------------------------------------------ a running job

    // Replace the sections that have changed, and keep the focus where it is.
    const update = (data) => {
        const main = document.querySelector('main');
        const made = page.model(data);
        charts = () => page.charts(made);
        const focused = document.activeElement && document.activeElement.dataset.chart;
        const list = page.sections(made);
        list.forEach(({id, html}, at) => {
            let section = document.getElementById(id);
            if (!section) {
                section = document.createElement('section');
                section.id = id;
            }
            if (main.children[at] !== section)
                main.insertBefore(section, main.children[at] || null);
            if (section.source !== html) {
                section.innerHTML = html;       // made by page.js, which escapes what it inserts
                section.source = html;
            }
        });
        while (main.children.length > list.length)
            main.lastChild.remove();
        showAll();
        if (focused && find(focused))
            find(focused).focus();
    };
    const followEvents = () => {
        const data = {summary: null, csv: '', running: null, notes: []};
        const source = new EventSource('events');
        source.addEventListener('begin', () => { data.csv = ''; });
        source.addEventListener('rows', (event) => { data.csv += JSON.parse(event.data); });
        source.addEventListener('state', (event) => {
            Object.assign(data, {running: null}, JSON.parse(event.data));
            document.title = `${data.summary.job}: ${data.running ? data.running.step : data.summary.verdict}`;
            update(data);
            if (!data.running)
                source.close();
        });
        source.addEventListener('error', () => {
            if (data.summary && !data.running)
                return;
            data.notes = ['The connection to iotifyd is lost: it has ended, or does not answer.'];
            if (data.summary)
                update(data);
        });
        source.addEventListener('open', () => { data.notes = []; });
    };

    const stored = document.getElementById('data');
    if (stored) {
        const data = JSON.parse(stored.textContent), made = data.summary && page.model(data);
        charts = () => made ? page.charts(made) : comparison.charts(data);
        showAll();
    } else {
        followEvents();
    }
})();
