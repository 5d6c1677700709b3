// SPDX-License-Identifier: Apache-2.0
// What happened, in sentences: what a reader would otherwise put together from tables and charts.
'use strict';

const pageFindings = (() => {
    const {count, span, percent} = pageText, {reasonsOf} = pageSeries;
    const REASONS = 3, ENOUGH = 0.95;

    // The times at which a reason was counted: its first and last row.
    const timesOf = (rows, code) => {
        const found = rows.filter((row) => reasonsOf(row).some(([each]) => each === code)).map((row) => row.seconds);
        return found.length ? [Math.floor(found[0]), Math.floor(found[found.length - 1])] : null;
    };
    const when = (times) => !times ? '' : times[0] === times[1] ? `, at ${span(times[0])}` : `, from ${span(times[0])} to ${span(times[1])}`;

    // Messages that were intended, and those of them that were never sent, by the reason.
    const unsentOf = (simulation) => ['failed', 'dropped', 'skipped', 'abandoned'].map((name) => [name, simulation[name] || 0]);
    const intendedOf = (simulation) => simulation.published + unsentOf(simulation).reduce((sum, [, value]) => sum + value, 0);

    const ofSimulation = (simulation, step, rows) => {
        const found = [], say = (condition, text) => condition && found.push(text());
        const idle = simulation.clients - simulation.connected - (step ? step.failed : 0);
        const never = (simulation.dropped || 0) + (simulation.skipped || 0) + (simulation.abandoned || 0);
        say(simulation.planned_seconds && simulation.seconds < ENOUGH * simulation.planned_seconds,
            () => `It ended after ${span(simulation.seconds)} of ${span(simulation.planned_seconds)}.`);
        say(step && step.failed, () => `${count(step.failed)} of ${count(simulation.clients)} devices never connected.`);
        say(idle > 0 && simulation.stages && simulation.stages.length, () => `${count(idle)} of ${count(simulation.clients)} devices took no part: no stage needed them.`);
        (simulation.stages || []).forEach((stage, at) => say(stage.reached < ENOUGH * stage.intended,
            () => `Stage ${at + 1}${stage.name ? ` ${stage.name}` : ''} reached ${count(stage.reached)} of ${count(stage.intended)} ${stage.unit}.`));
        const errors = [...(simulation.errors || [])].sort((a, b) => b.count - a.count);
        errors.slice(0, REASONS).forEach((error) => found.push(
            `${error.code}, ${count(error.count)} times${when(timesOf(rows, error.code))}: ${error.message}`));
        say(errors.length > REASONS, () => `There are ${count(errors.length - REASONS)} more kinds of failures.`);
        say(simulation.closed, () => `${count(simulation.closed)} connections ended without being asked to; ${count(simulation.reconnects)} were made again.`);
        say(never, () => `${count(never)} of ${count(intendedOf(simulation))} intended messages were never begun.`);
        say(simulation.lost, () => `${count(simulation.lost)} of ${count(simulation.published)} published messages were lost${percent(simulation.lost, simulation.published)}.`);
        say(simulation.generator && simulation.generator.saturated, () => 'This machine was the bottleneck: do not trust the latencies.');
        return found;
    };
    const ofStep = (step) => step.failed || step.errors && step.errors.length ? [
        `${step.failed ? `${count(step.failed)} of ${count(step.total)} failed` : 'It failed'}${
            step.errors && step.errors.length ? `: ${step.errors[0].code}: ${step.errors[0].message}` : '.'}`] : [];

    return {ofSimulation, ofStep, unsentOf, intendedOf, timesOf, ENOUGH};
})();
