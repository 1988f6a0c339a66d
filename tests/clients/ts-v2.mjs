// The TypeScript client of the 2026-07-28 era, in its three ways to find the protocol version.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { abort, calls, check, expect, headers, url } from './checks.mjs';

const modes = [
  { name: 'legacy', mode: 'legacy', version: '2025-11-25' },
  { name: 'auto', mode: 'auto', version: '2026-07-28' },
  { name: 'pinned', mode: { pin: '2026-07-28' }, version: '2026-07-28' },
];

for (const { name, mode, version } of modes) {
  const label = `TypeScript v2, ${name}`;
  const client = new Client({ name: 'kube-airlock-tests', version: '0' }, { versionNegotiation: { mode } });
  const told = [];
  client.onerror = error => told.push(error.message);
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const connected = await check(label, `connects and speaks ${version}`, async () => {
    await client.connect(transport);
    expect(client.getNegotiatedProtocolVersion() === version, `it speaks ${client.getNegotiatedProtocolVersion()}`);
  });
  if (!connected) continue;
  const api = {
    list: async () => (await client.listTools()).tools.map(tool => tool.name),
    call: (name, command, signal, onprogress) => client.callTool({ name, arguments: { command } }, { signal, onprogress }),
  };
  await calls(label, api);
  await check(label, 'met no error of its own in an answer', () => expect(!told.length, told.join('; ')));
  await abort(label, api);
  await client.close();
}
