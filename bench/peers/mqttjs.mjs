// SPDX-License-Identifier: Apache-2.0
// Load test with MQTT.js: sessions that publish at QoS 1, in one process.
//
//     build/peers/node_modules/.bin/node bench/peers/mqttjs.mjs PORT SESSIONS RATE SECONDS
//
// CPU is measured from the first message to the last acknowledgement, with all sessions connected;
// memory is the growth of the process from before the first session until then.
import { createRequire } from 'node:module';

const mqtt = createRequire(new URL('../../build/peers/', import.meta.url))('mqtt');
const [port, sessions, rate, seconds] = process.argv.slice(2).map(Number);
const payload = Buffer.alloc(100, 'x');
const total = Math.round(rate * seconds);
const connectingAtOnce = 50;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

const rssBefore = process.memoryUsage().rss;
const clients = [];
while (clients.length < sessions) {
    const batch = Array.from({ length: Math.min(connectingAtOnce, sessions - clients.length) },
        (_, i) => mqtt.connectAsync(`mqtt://127.0.0.1:${port}`,
            { clientId: `mqttjs-${clients.length + i}`, reconnectPeriod: 0 }));
    clients.push(...await Promise.all(batch));
}

const cpuBefore = process.cpuUsage();
const began = performance.now();
let published = 0;
let acknowledged = 0;
const onAcknowledged = error => { acknowledged += error ? 0 : 1; };
while (published < total) {
    const due = Math.min(total, Math.floor((performance.now() - began) / 1000 * rate) + 1);
    for (; published < due; published++) {
        const session = published % sessions;
        clients[session].publish(`peers/${session}`, payload, { qos: 1 }, onAcknowledged);
    }
    await sleep(published / rate * 1000 - (performance.now() - began));
}
for (const end = performance.now() + 10000; acknowledged < total && performance.now() < end;)
    await sleep(10);
const cpu = process.cpuUsage(cpuBefore);
const rss = process.memoryUsage().rss - rssBefore;

console.log(JSON.stringify({ tool: 'mqttjs', sessions, published, acknowledged,
    cpu_us_per_message: Math.round((cpu.user + cpu.system) / published * 10) / 10,
    rss_kib_per_session: Math.round(rss / 1024 / sessions * 10) / 10 }));
await Promise.all(clients.map(client => client.endAsync()));
