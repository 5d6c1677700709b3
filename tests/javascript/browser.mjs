// SPDX-License-Identifier: Apache-2.0
// Opens a page in Chromium, and prints as JSON what a person would find there.
//     browser.mjs report FILE              a report
//     browser.mjs picture FILE PREFIX      a screenshot of it, PREFIX.png
//     browser.mjs live URL                 the page of a running job, until it says that it is over; the
//                                          first line says that the browser waits for its port
import {createRequire} from 'node:module';
import fs from 'node:fs';
import net from 'node:net';
import {chromium} from 'playwright-core';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const [kind, target, prefix] = process.argv.slice(2);
const found = {requests: [], errors: [], violations: []};
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking']});

const open = async (options, url) => {
    const page = await (await browser.newContext({viewport: {width: 1100, height: 900}, ...options})).newPage();
    page.on('console', (message) => found.errors.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => found.errors.push(String(error)));
    page.on('dialog', (dialog) => { found.errors.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on('request', (request) => found.requests.push(request.url()));
    await page.goto(url);
    return page;
};
const read = (page) => page.evaluate(() => ({
    title: document.title,
    text: document.body.innerText,
    elements: [...new Set([...document.querySelectorAll('*')].map((each) => each.tagName.toLowerCase()))],
    sections: Object.fromEntries([...document.querySelectorAll('section')].map((section) => [section.id, {
        heading: section.querySelector('h1, h2').textContent,
        text: section.innerText,
        facts: Object.fromEntries([...section.querySelectorAll('dl > div')].map((pair) => [
            pair.querySelector('dt').textContent, pair.querySelector('dd').textContent])),
        tables: Object.fromEntries([...section.querySelectorAll('table:not(.u-legend)')].map((table) => [
            table.querySelector('caption').textContent, {
                heads: [...table.querySelectorAll('thead th')].map((cell) => cell.textContent),
                rows: [...table.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent))}])),
        charts: [...section.querySelectorAll('figure')].map((figure) => ({
            id: figure.dataset.chart, svg: figure.querySelectorAll('.plot > svg').length,
            canvas: figure.querySelectorAll('canvas').length,
            labels: [...figure.querySelectorAll('.legend li')].map((each) => each.textContent)}))}]))}));
const ranges = (page) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('figure')].map(
    (figure) => [figure.dataset.chart, figure.querySelector('output').textContent])));

const report = async () => {
    const url = `file://${target}`;
    const page = await open({}, url);
    found.page = await read(page);
    const chart = page.locator('figure[data-chart$="/load"]').first();
    if (await chart.count()) {
        // Drag over the middle of a chart, then use the keyboard.
        await chart.scrollIntoViewIfNeeded();
        const box = await chart.locator('.u-over').boundingBox();
        await page.mouse.move(box.x + box.width * 0.3, box.y + 50);
        await page.mouse.down();
        await page.mouse.move(box.x + box.width * 0.6, box.y + 50, {steps: 5});
        await page.mouse.up();
        await page.waitForFunction(() => document.querySelector('figure[data-chart$="/load"] output').textContent);
        found.dragged = await ranges(page);
        await chart.focus();
        await page.keyboard.press('0');
        await page.waitForFunction(() => !document.querySelector('figure[data-chart$="/load"] output').textContent);
        found.reset = await ranges(page);
        await page.keyboard.press('+');
        await page.waitForFunction(() => document.querySelector('figure[data-chart$="/load"] output').textContent);
        found.zoomed = await ranges(page);
        const before = (await ranges(page))[await chart.getAttribute('data-chart')];
        await page.keyboard.press('ArrowRight');
        await page.waitForFunction((text) => document.querySelector('figure[data-chart$="/load"] output').textContent !== text, before);
        found.moved = await ranges(page);
        await page.keyboard.press('Escape');
    }
    for (const colorScheme of ['light', 'dark']) {
        const other = await open({colorScheme}, url);
        await other.evaluate(axe);
        const result = await other.evaluate('axe.run()');
        found.violations.push(...result.violations.map(
            ({impact, id, nodes}) => `${impact}: ${id}: ${nodes[0].html.slice(0, 200)}`));
        found[`back-${colorScheme}`] = await other.evaluate(() => getComputedStyle(document.body).backgroundColor);
        await other.click('#theme');
        found[`back-${colorScheme}-switched`] = await other.evaluate(() => getComputedStyle(document.body).backgroundColor);
    }
    found.plain = await read(await open({javaScriptEnabled: false}, url)
        .then((other) => other.evaluate ? other : null)).catch(() => null);
    found.pdf = (await page.pdf()).length;
};

// Watch the page of a running job until it shows the verdict; what it has said on the way is in `seen`.
const live = async () => {
    const {hostname, port} = new URL(target);
    console.log('ready');
    while (!await new Promise((done) => {
        const socket = net.connect(port, hostname, () => { socket.destroy(); done(true); }).on('error', () => done(false));
    }))
        await new Promise((done) => setTimeout(done, 50));
    const page = await open({}, target);
    // Each event changes the page in a task of its own, and nothing that it shows is missed.
    await page.evaluate(() => {
        window.seen = {verdicts: new Set(), progress: new Set(), charts: new Set()};
        const note = () => {
            const verdict = document.querySelector('.verdict'), progress = document.querySelector('progress');
            if (verdict)
                window.seen.verdicts.add(verdict.textContent.replace(/, [\d.]+ .*/, ''));
            if (progress)
                window.seen.progress.add(progress.parentElement.textContent);
            document.querySelectorAll('figure.drawn').forEach((figure) => window.seen.charts.add(figure.dataset.chart));
        };
        note();
        new MutationObserver(note).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    });
    await page.waitForFunction(() => document.querySelector('.verdict.good, .verdict.bad'), null, {timeout: 240000});
    const {seen, progress, charts} = await page.evaluate(() => ({
        seen: [...window.seen.verdicts], progress: [...window.seen.progress], charts: [...window.seen.charts]}));
    Object.assign(found, {seen, charts, progress, page: await read(page)});
};

// What docs show: the load and the latency of the first simulation.
const picture = async () => {
    const page = await open({viewport: {width: 900, height: 1000}, deviceScaleFactor: 1}, `file://${target}`);
    await page.locator('#simulation-0').evaluate((section) => section.scrollIntoView());
    await page.screenshot({path: `${prefix}.png`});
};

await {report, live, picture}[kind]();
console.log(JSON.stringify(found));
await browser.close();
