// mcp-remote, which makes a server over HTTP one over stdio for hosts that know nothing else. The host is the
// TypeScript client here.

import { writeFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { abort, calls, check, headers, url } from './checks.mjs';

const label = 'mcp-remote';
const program = new URL('node_modules/mcp-remote/dist/proxy.js', import.meta.url).pathname;

// A file and not --header: command lines are for every user of the machine to read.
const file = new URL('headers.txt', import.meta.url).pathname;
writeFileSync(file, Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`).join(''), { mode: 0o600 });

const client = new Client({ name: 'kube-airlock-tests', version: '0' });
const transport = new StdioClientTransport({ command: process.execPath, args: [program, url, '--header-file', file], env: process.env, stderr: 'inherit' });
if (await check(label, 'connects', () => client.connect(transport))) {
  const api = {
    list: async () => (await client.listTools()).tools.map(tool => tool.name),
    call: (name, command, signal, onprogress) => client.callTool({ name, arguments: { command } }, undefined, { signal, onprogress }),
  };
  await calls(label, api);
  await abort(label, api);
}
await client.close();
