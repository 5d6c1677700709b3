// SPDX-License-Identifier: Apache-2.0
// Puts three devices on AWS IoT and takes them away again, as a user of AWS's own SDK would.
import { IoTClient, CreateThingCommand, CreateKeysAndCertificateCommand, CreatePolicyCommand,
    AttachPolicyCommand, AttachThingPrincipalCommand, DetachPolicyCommand,
    DetachThingPrincipalCommand, DeletePolicyCommand, DeleteThingCommand, DeleteCertificateCommand,
    UpdateCertificateCommand, DescribeThingCommand, paginateListThings } from '@aws-sdk/client-iot';

const client = new IoTClient({ maxAttempts: 1 });
const send = (Command, input) => client.send(new Command(input));
const policyName = 'sdk';
const devices = [];

const things = async () => {
    const names = [];
    for await (const page of paginateListThings({ client, pageSize: 2 }, {}))
        names.push(...page.things.map(thing => thing.thingName));
    return names;
};

const failure = async (Command, input) => {
    try {
        await send(Command, input);
        return 'none';
    } catch (error) {
        return `${error.name} ${error.$metadata.httpStatusCode}`;
    }
};

await send(CreatePolicyCommand, { policyName, policyDocument: JSON.stringify({
    Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'iot:*', Resource: '*' }] }) });
for (const thingName of ['sdk-1', 'sdk-2', 'sdk-3']) {
    await send(CreateThingCommand, { thingName, attributePayload: { attributes: { by: 'sdk' } } });
    const made = await send(CreateKeysAndCertificateCommand, { setAsActive: true });
    const principal = made.certificateArn;
    await send(AttachPolicyCommand, { policyName, target: principal });
    await send(AttachThingPrincipalCommand, { thingName, principal });
    devices.push({ thingName, principal, certificateId: made.certificateId });
}
console.log(`devices: ${(await things()).length}`);
console.log(`conflict: ${await failure(DeletePolicyCommand, { policyName })}`);
for (const { thingName, principal, certificateId } of devices) {
    await send(DetachPolicyCommand, { policyName, target: principal });
    await send(DetachThingPrincipalCommand, { thingName, principal });
    await send(UpdateCertificateCommand, { certificateId, newStatus: 'INACTIVE' });
    await send(DeleteCertificateCommand, { certificateId });
    await send(DeleteThingCommand, { thingName });
}
await send(DeletePolicyCommand, { policyName });
console.log(`gone: ${await failure(DescribeThingCommand, { thingName: 'sdk-1' })}`);
console.log(`left: ${(await things()).length}`);
