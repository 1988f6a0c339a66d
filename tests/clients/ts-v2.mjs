// The TypeScript client of the 2026-07-28 era, in its three ways to find the protocol version.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { abort, calls, check, expect, headers, url } from './checks.mjs';

const modes = [
  { name: 'legacy', mode: 'legacy', version: '2025-11-25', seconds: 21 },
  { name: 'auto', mode: 'auto', version: '2026-07-28', seconds: 22 },
  { name: 'pinned', mode: { pin: '2026-07-28' }, version: '2026-07-28', seconds: 23 },
];

for (const { name, mode, version, seconds } of modes) {
  const label = `TypeScript v2, ${name}`;
  const client = new Client({ name: 'kube-airlock-tests', version: '0' }, { versionNegotiation: { mode } });
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const connected = await check(label, `connects and speaks ${version}`, async () => {
    await client.connect(transport);
    expect(client.getNegotiatedProtocolVersion() === version, `it speaks ${client.getNegotiatedProtocolVersion()}`);
  });
  if (!connected) continue;
  const api = {
    list: async () => (await client.listTools()).tools.map(tool => tool.name),
    call: (name, command, signal) => client.callTool({ name, arguments: { command } }, { signal }),
  };
  await calls(label, api);
  await abort(label, seconds, api);
  await client.close();
}
