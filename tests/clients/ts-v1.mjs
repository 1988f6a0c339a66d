// The TypeScript SDK of the `initialize` era, which most hosts still ship.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { abort, calls, check, expect, headers, url } from './checks.mjs';

const label = 'TypeScript v1';
const client = new Client({ name: 'kube-airlock-tests', version: '0' });
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const connected = await check(label, 'connects and speaks 2025-11-25', async () => {
  await client.connect(transport);
  expect(transport.protocolVersion === '2025-11-25', `it speaks ${transport.protocolVersion}`);
});
if (connected) {
  const api = {
    list: async () => (await client.listTools()).tools.map(tool => tool.name),
    call: (name, command, signal) => client.callTool({ name, arguments: { command } }, undefined, { signal }),
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
  await abort(label, 24, api);
  await check(label, 'ends its session', () => transport.terminateSession());
}
await client.close();
