// The TypeScript SDK of the `initialize` era, which most hosts still ship: the newest, and those that read answers
// in ways of their own. 1.17 and 1.22 told an error for every stream that began with an empty event, and 1.22 could
// not read a schema with `$defs`.

import { abort, calls, check, expect, headers, url } from './checks.mjs';

const versions = [
  { name: '1.17', from: 'sdk-1.17', version: '2025-06-18' },
  { name: '1.22', from: 'sdk-1.22', version: '2025-06-18' },
  { name: '1.25', from: 'sdk-1.25', version: '2025-11-25' },
  { name: '1.32', from: '@modelcontextprotocol/sdk', version: '2025-11-25' },
];

for (const { name, from, version } of versions) {
  const label = `TypeScript v${name}`;
  const { Client } = await import(`${from}/client/index.js`);
  const { StreamableHTTPClientTransport } = await import(`${from}/client/streamableHttp.js`);
  const client = new Client({ name: 'kube-airlock-tests', version: '0' });
  const told = [];
  client.onerror = error => told.push(error.message);
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const connected = await check(label, `connects and speaks ${version}`, async () => {
    await client.connect(transport);
    expect(transport.protocolVersion === version, `it speaks ${transport.protocolVersion}`);
  });
  if (!connected) continue;
  const api = {
    list: async () => (await client.listTools()).tools.map(tool => tool.name),
    call: (name, command, signal, onprogress) => client.callTool({ name, arguments: { command } }, undefined, { signal, onprogress }),
  };
  await calls(label, api);
  await check(label, 'reads the policy, a prompt and a completion', async () => {
    const { contents: [policy] } = await client.readResource({ uri: 'airlock://policy' });
    expect(policy.text.includes('kubectl (it only reads)'), 'the policy does not say so of kubectl', policy);
    const { messages: [message] } = await client.getPrompt({ name: 'capacity' });
    expect(message.content.text.includes('kubectl: `top node`'), 'the prompt has no such command', message);
    const ref = { type: 'ref/resource', uri: 'airlock://catalogue/{tool}/{verb}' };
    const { completion } = await client.complete({ ref, argument: { name: 'tool', value: 'kube' } });
    expect(completion.values.join() === 'kubectl', 'it completes something else', completion);
  });
  await check(label, 'met no error of its own in an answer', () => expect(!told.length, told.join('; ')));
  await abort(label, api);
  await check(label, 'ends its session', () => transport.terminateSession());
  await client.close();
}
