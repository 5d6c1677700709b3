// SPDX-License-Identifier: Apache-2.0
// Markup and numbers as text. All files but view.js run in iotifyd, which writes the file, and in the
// browser; none of them knows a document.
'use strict';

const pageText = (() => {
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
    const percent = (part, whole) => whole ? ` (${digits(100 * part / whole, 3)}%)` : '';
    const number = (value) => value === null || value === undefined ? '–' : digits(value, 4);
    const moment = (text) => text ? text.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC') : '–';

    // ------------------------------------------------------------------ summaries

    const KINDS = {object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value), list: Array.isArray,
        text: (value) => typeof value === 'string', number: (value) => typeof value === 'number'};
    const need = (object, path, name, kind, optional) => {
        const value = object[name];
        if (!(optional && (value === undefined || value === null)) && !KINDS[kind](value))
            throw new Error(`the summary has no ${kind} "${path}${name}"`);
        return value;
    };
    const needObjects = (list, path) => list.forEach((each, at) => {
        if (!KINDS.object(each))
            throw new Error(`the summary has no object "${path}[${at}]"`);
    });
    // An Error names the first member that is not as the rest of the page needs it.
    const checkSummary = (summary) => {
        need(summary, '', 'job', 'text');
        need(summary, '', 'verdict', 'text');
        need(summary, '', 'machine', 'object', true);
        needObjects(need(summary, '', 'thresholds', 'list', true) || [], 'thresholds');
        for (const list of ['steps', 'simulations'])
            needObjects(need(summary, '', list, 'list'), list);
        summary.steps.forEach((step, at) => {
            for (const name of ['pipeline', 'step'])
                need(step, `steps[${at}].`, name, 'text');
            for (const name of ['calls', 'errors'])
                needObjects(need(step, `steps[${at}].`, name, 'list', true) || [], `steps[${at}].${name}`);
        });
        summary.simulations.forEach((simulation, at) => {
            const path = `simulations[${at}].`;
            need(simulation, path, 'name', 'text');
            need(simulation, path, 'generator', 'object', true);
            for (const name of ['stages', 'errors', 'devices'])
                needObjects(need(simulation, path, name, 'list', true) || [], path + name);
            const metrics = need(simulation, path, 'metrics', 'object', true) || {};
            Object.keys(metrics).forEach((name) => need(metrics, `${path}metrics.`, name, 'object'));
            Object.keys(simulation).filter((name) => name.endsWith('_seconds') && typeof simulation[name] !== 'number').forEach((name) => {
                const times = need(simulation, path, name, 'object', true);
                if (times)
                    need(times, `${path}${name}.`, 'buckets', 'list', true);
            });
        });
    };

    // ------------------------------------------------------------------ markup

    const table = (caption, heads, rows, more) => rows.length === 0 ? '' : html`<table${more && more.wide ? new Markup(' class="wide"') : ''}><caption>${caption}</caption><thead><tr>${
        heads.map((head, at) => html`<th scope="col"${at && !(more && more.texts || []).includes(at) ? new Markup(' class="n"') : ''}>${head}</th>`)}</tr></thead><tbody>${
        rows.map((cells) => html`<tr>${cells.map((cell, at) => at === 0 ? html`<th scope="row">${cell}</th>`
            : html`<td${(more && more.texts || []).includes(at) ? '' : new Markup(' class="n"')}>${cell}</td>`)}</tr>`)}</tbody></table>`;
    const facts = (pairs) => html`<dl>${pairs.filter(([, value]) => value !== null && value !== undefined && value !== '').map(
        ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
    const state = (good, text) => html`<span class="${good ? 'good' : 'bad'}">${good ? '✓' : '✗'} ${text}</span>`;
    const block = (value) => JSON.stringify(value).replace(/[<>&\u2028\u2029]/g,
        (character) => '\\u' + character.charCodeAt(0).toString(16).padStart(4, '0'));

    return {escape, html, digits, count, time, span, bytes, percent, number, moment, table, facts, state, block, checkSummary};
})();
