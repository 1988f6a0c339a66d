// The official conformance suite: the scenarios that a server without the suite's fixture passes, of both
// requirement sets. The rest of a set wants the fixture (tools that return images, prompts and resources of its
// own names, tasks, ...), which this server does not have.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { check, expect, note, url } from './checks.mjs';

const program = new URL('node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url).pathname;

// Both revisions ask for these and run them each on its own wire.
const both = [
  'completion-complete', 'dns-rebinding-protection', 'prompts-list', 'resources-list', 'server-sse-multiple-streams', 'tools-list',
];
const required = {
  '2025-11-25': [...both, 'ping', 'server-initialize', 'server-session-lifecycle', 'server-sse-polling'],
  '2026-07-28': [
    ...both, 'caching', 'http-header-validation', 'input-required-result-unsupported-methods',
    'input-required-result-validate-input', 'sep-2164-resource-not-found', 'server-stateless',
  ],
};

// Single checks of these scenarios that want something of the fixture.
const fixture = {
  'server-stateless': [
    'sep-2575-http-server-no-independent-requests-on-stream', 'sep-2575-missing-capability-http-400',
    'sep-2575-server-no-log-without-loglevel', 'sep-2575-server-rejects-undeclared-capability',
  ],
};

for (const [revision, scenarios] of Object.entries(required)) {
  const label = `conformance ${revision}`;
  const folder = mkdtempSync(new URL('conformance-', import.meta.url).pathname);
  // Its own exit status is of no use: it is 1 as long as any scenario of the set fails.
  const run = spawnSync(process.execPath, [program, 'server', '--url', url, '--requirements', revision, '-o', folder], { encoding: 'utf8', timeout: 280_000 });
  const folders = readdirSync(folder);
  const failures = scenario => {
    // server-<scenario>-<time>
    const mine = folders.find(name => name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '') === scenario);
    expect(mine, `it did not run; the suite ended with ${run.status ?? run.signal}: ${run.stderr.slice(-300)}`);
    const checks = JSON.parse(readFileSync(`${folder}/${mine}/checks.json`, 'utf8'));
    // A scenario can end with warnings only, and its wire check is content with no message at all: some
    // of the set pass that way with no server there.
    expect(checks.some(one => one.status === 'SUCCESS' && one.id !== 'wire-schema-valid'), 'no check of it succeeded');
    return checks.filter(one => one.status === 'FAILURE' && !fixture[scenario]?.includes(one.id));
  };
  for (const scenario of scenarios) {
    await check(label, scenario, () => {
      const failed = failures(scenario);
      expect(failed.length === 0, failed.map(one => `${one.id}: ${one.errorMessage ?? one.description}`).join('; '));
    });
  }
  note(label, `${folders.length - scenarios.length} more scenarios ran and are not asked for: they want the fixture`);
}
