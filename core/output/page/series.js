// SPDX-License-Identifier: Apache-2.0
// The series: its rows, and fewer of them.
'use strict';

const pageSeries = (() => {
    const ROWS_MAX = 7200;      // rows of a series that the page keeps

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

    return {thin, parseSeries, formatSeries, reasonsOf};
})();
