// Whether deploy/server.json, for a registry of MCP servers, says what the server says of itself, and keeps what the
// registry asks of every entry (its schema of 2025-12-11: lengths, patterns, variables that are there).

import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { check, expect, headers, url } from './checks.mjs';

const label = 'server.json';
const INPUT = ['description', 'isRequired', 'format', 'isSecret', 'default', 'placeholder', 'choices'];
const entry = JSON.parse(readFileSync('server.json', 'utf8'));

await check(label, 'says what the server says of itself', async () => {
  const client = new Client({ name: 'kube-airlock-tests', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  const { title, description, version } = client.getServerVersion();
  await client.close();
  for (const [name, value] of Object.entries({ title, description, version })) {
    expect(entry[name] === value, `${name} is ${entry[name]}, and the server says ${value}`);
  }
});

await check(label, 'has the fields of an entry, in their bounds', () => {
  expect(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/.test(entry.name) && entry.name.length <= 200, `the name is ${entry.name}`);
  for (const [name, most] of [['title', 100], ['description', 100], ['version', 255]]) {
    expect(entry[name].length >= 1 && entry[name].length <= most, `${name} has ${entry[name].length} characters of ${most}`);
  }
  expect(/^\d+\.\d+\.\d+$/.test(entry.version), `the version is ${entry.version}`);
  only(entry, ['$schema', 'name', 'title', 'description', 'version', 'remotes']);
});

await check(label, 'has a remote whose every variable is described', () => {
  const [remote, ...more] = entry.remotes;
  expect(!more.length && remote.type === 'streamable-http', `the remotes are ${JSON.stringify(entry.remotes)}`);
  only(remote, ['type', 'url', 'variables', 'headers']);
  expect(new URL(remote.url.replace('{host}', 'a.example')).pathname === new URL(url).pathname, `the URL is ${remote.url}`);
  described(remote.url, remote.variables);
  for (const header of remote.headers) {
    only(header, ['name', ...INPUT, 'value', 'variables']);
    described(header.value ?? '', header.variables ?? {});
  }
});

// A credential that is not called one is shown, and kept, where others read it.
await check(label, 'calls each credential a secret', () => {
  for (const { name, isSecret } of entry.remotes[0].headers) {
    const credential = ['Authorization', 'X-Kubeconfig', 'X-Argocd-Auth-Token'].includes(name);
    expect((isSecret ?? false) === credential, `${name} is ${isSecret ? 'a' : 'no'} secret`);
  }
});


function only(object, names) {
  const strays = Object.keys(object).filter(name => !names.includes(name));
  expect(!strays.length, `nobody knows ${strays.join(' ')}`);
}

function described(template, variables) {
  const named = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  expect(named.toSorted().join() === Object.keys(variables).toSorted().join(), `${template} is not about ${Object.keys(variables)}`);
  for (const variable of Object.values(variables)) only(variable, INPUT);
}
