// The MCP Inspector's command line, in both eras. Each call is a process and a connection of its own.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { calls, check, expect, headers, url } from './checks.mjs';

const program = new URL('node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url).pathname;

// A file and not --header: command lines are for every user of the machine to read.
const config = new URL('inspector.json', import.meta.url).pathname;
const eras = ['legacy', 'modern'];
const servers = eras.map(era => [era, { type: 'streamable-http', url, protocolEra: era, headers }]);
writeFileSync(config, JSON.stringify({ mcpServers: Object.fromEntries(servers) }), { mode: 0o600 });

function inspect(era, ...words) {
  const run = spawnSync(process.execPath, [program, '--cli', '--config', config, '--server', era, '--format', 'json', ...words], { encoding: 'utf8', timeout: 60_000 });
  // 5 is "the tool says isError", and the result is on standard output as well.
  const told = run.stderr.split('\n').filter(line => !line.startsWith('[mcp-inspector]')).join(' ');
  expect(run.status === 0 || run.status === 5, `it ended with ${run.status ?? run.signal}: ${told}`);
  const { result } = JSON.parse(run.stdout);
  expect((result.isError === true) === (run.status === 5), `its exit status is ${run.status}`, result);
  return result;
}

for (const era of eras) {
  await calls(`Inspector, ${era}`, {
    list: () => inspect(era, '--method', 'tools/list').tools.map(tool => tool.name),
    call: (tool, command) => inspect(era, '--method', 'tools/call', '--tool-name', tool, '--tool-arg', `command=${command}`),
  });
}

// It warns about much that is legal; an error is a schema that some hosts or models refuse (exit status 6).
await check('Inspector', 'no tool has a schema with a portability error', () => inspect('legacy', '--method', 'tools/list', '--strict'));
