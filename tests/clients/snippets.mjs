// The programs and configurations of docs/clients.md, as a reader would paste them. Only the address is another.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { check, expect, headers, note, url } from './checks.mjs';

const label = 'docs/clients.md';
const clients = process.env.AIRLOCK_CLIENTS;
const env = { ...process.env, KC: headers['X-Kubeconfig'] };

const blocks = [...readFileSync('clients.md', 'utf8').matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
  .map(([, language, text]) => ({ language, text }));
const about = text => text.replaceAll('http://127.0.0.1:9096/mcp', url);

// Where each kind of program is run, by what it imports.
function interpreter({ language, text }) {
  if (language === 'ts') return [process.execPath];
  const venv = /langchain_mcp_adapters|ClientSession/.test(text) ? 'venv-v1' : 'venv';
  return [`${clients}/${venv}/bin/python`, '-B'];
}

mkdirSync('snippets');
const programs = blocks.filter(({ language }) => language === 'ts' || language === 'python');
for (const [index, block] of programs.entries()) {
  const name = block.text.match(/(?:from|import) ['"]?((?:@modelcontextprotocol|mcp|langchain|fastmcp|pydantic_ai)[\w./@-]*)/)?.[1];
  await check(label, `the program with ${name} prints the pods`, () => {
    // TypeScript without a type is JavaScript.
    const file = `snippets/${index}.${block.language === 'ts' ? 'mjs' : 'py'}`;
    writeFileSync(file, about(block.text));
    const [program, ...words] = interpreter(block);
    const { status, stdout, stderr } = spawnSync(program, [...words, file], { encoding: 'utf8', env, timeout: 60_000 });
    expect(status === 0, `it ended with ${status}: ${stderr.slice(-400)}`);
    expect(stdout.includes('<output ') && stdout.includes('web-0'), `it printed ${stdout.slice(0, 300)}`);
  });
}

// A host with such a configuration: the Inspector, which fills in no variables and has no npx on its PATH.
const inspector = new URL('node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url).pathname;
const remote = new URL('node_modules/mcp-remote/dist/proxy.js', import.meta.url).pathname;
writeFileSync('headers.txt', `X-Kubeconfig: ${env.KC}\n`, { mode: 0o600 });
const configurations = blocks.filter(({ language, text }) => language === 'json' && text.includes('mcpServers'));
for (const [index, { text }] of configurations.entries()) {
  const { mcpServers } = JSON.parse(about(text).replace('${KC}', env.KC));
  const [[server, settings]] = Object.entries(mcpServers);
  await check(label, `the configuration with ${settings.url ? 'an address' : settings.args[0]} lists the tools`, () => {
    if (settings.command === 'npx') mcpServers[server] = { command: process.execPath, args: [remote, ...settings.args.slice(1)] };
    const file = `snippets/${index}.json`;
    writeFileSync(file, JSON.stringify({ mcpServers }), { mode: 0o600 });
    const run = spawnSync(process.execPath, [inspector, '--cli', '--config', file, '--server', server, '--format', 'json', '--method', 'tools/list'], { encoding: 'utf8', timeout: 60_000 });
    expect(run.status === 0, `it ended with ${run.status}: ${run.stderr.slice(-400)}`);
    const names = JSON.parse(run.stdout).result.tools.map(tool => tool.name).toSorted();
    expect(names.join() === 'argocd,helm,istioctl,kubectl', `it lists ${names}`);
  });
}

note(label, `${programs.length} programs and ${configurations.length} configurations`);
await check(label, 'has a program for each library of the matrix', () => expect(programs.length >= 7 && configurations.length >= 2, 'it has fewer'));
