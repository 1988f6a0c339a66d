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
  await abort(label, 24, api);
  await check(label, 'ends its session', () => transport.terminateSession());
}
await client.close();
