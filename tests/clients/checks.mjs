// The checks that every TypeScript client and the Inspector run, whatever the API of its version.
//
// A client is two functions: `list()` gives the names of the tools, `call(tool, command, signal, onprogress)` the
// result of one call. checks.py holds the same checks for Python.

import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export const url = process.env.AIRLOCK_URL;
export const headers = { 'X-Kubeconfig': readFileSync(process.env.AIRLOCK_KUBECONFIG).toString('base64') };

const TOOLS = ['argocd', 'helm', 'istioctl', 'kubectl'];

// What each of the other tools answers beside the demo cluster, with the view-only kubeconfig.
const ANSWERS = [
  ['helm', 'list -n releases', 'shop-1.0.0'],
  ['istioctl', 'version --remote=false', 'client version'],
  ['argocd', 'version --client', 'argocd: v'],
];

export async function check(client, sentence, body) {
  try {
    await body();
    console.log(`ok - ${client}: ${sentence}`);
    return true;
  } catch (error) {
    // One line per check, so that the output can be read by line.
    console.log(`not ok - ${client}: ${sentence}: ${String(error?.message ?? error).replaceAll(/\s+/g, ' ').slice(0, 600)}`);
    return false;
  }
}

export function note(client, sentence) {
  console.log(`# ${client}: ${sentence}`);
}

export function expect(truth, otherwise, seen) {
  if (!truth) throw new Error(seen === undefined ? otherwise : `${otherwise}; the result is ${JSON.stringify(seen)}`);
}

// What a program finds beside the text that a model reads.
const facts = result => result._meta?.['kube-airlock'];

// A model reads its output once, whether its host shows it texts, structure or both.
function text(result) {
  expect(result.structuredContent === undefined && result.content.length === 1, 'it is not one text', result);
  return result.content[0].text;
}

function expectRefused(result, code) {
  expect(result.isError === true, 'isError is not true', result);
  expect(facts(result)?.success === false, 'success is not false', result);
  if (code) expect(facts(result).code === code && text(result).startsWith(`error[${code}]: `), `code is not ${code}`, result);
}

function expectPods(result) {
  return expectOutput(result, 'web-0');
}

function expectOutput(result, word) {
  const { success, exit_code, untrusted } = facts(result) ?? {};
  expect(!result.isError && success === true && exit_code === 0, 'it did not succeed', result);
  const output = text(result);
  expect(output.startsWith(`<${untrusted}>\n`) && output.endsWith(`</${untrusted}>`), 'the output has no fence', result);
  expect(output.includes(word), `the text does not name ${word}`, result);
  return output;
}

export async function calls(client, { list, call }) {
  await check(client, 'lists exactly the four tools', async () => {
    const names = (await list()).toSorted();
    expect(names.join() === TOOLS.join(), `it lists ${names.join(' ')}`);
  });
  await check(client, '`get pods -A` returns the pods', async () => expectPods(await call('kubectl', 'get pods -A')));
  await check(client, '`delete pod web-0` is denied by the policy, with a hint', async () => {
    const result = await call('kubectl', 'delete pod web-0');
    expectRefused(result, 'policy_denied');
    expect(/^ {2}try: {2}\S/m.test(text(result)), 'there is no hint', result);
  });
  await check(client, '`get pods; id` is an invalid command', async () => expectRefused(await call('kubectl', 'get pods; id'), 'invalid_command'));
  await check(client, '`helm list` is a tool error', async () => expectRefused(await call('helm', 'list')));
  const here = await installed();
  for (const [tool, command, word] of ANSWERS) {
    if (here.includes(tool)) await check(client, `\`${tool} ${command}\` answers`, async () => expectOutput(await call(tool, command), word));
    else note(client, `${tool} is not installed beside this server, and is not called`);
  }
  await check(client, 'a call after the tool errors works', async () => expectPods(await call('kubectl', 'get pods -A')));
}

// A call that tells a line and then waits longer than a check does: only the abort can have ended it.
export async function abort(client, { call }) {
  await check(client, 'a running call tells its progress, and an abort ends it and its process', () => alone(async () => {
    const before = await children();
    const controller = new AbortController();
    const told = [];
    let settled;
    const running = call('kubectl', WAIT, controller.signal, progress => told.push(progress.message))
      .then(result => { settled = `it returned ${JSON.stringify(result)}`; }, error => { settled = `it failed: ${error.message}`; });
    for (let tries = 0; tries < 80 && !settled && !told.length; tries++) await pause(100);
    expect(!settled, `the call was over before the abort: ${settled}`);
    expect(told.join().includes('pod/web-0 condition met'), `its progress after 8 s is ${JSON.stringify(told)}`);
    const mine = (await children()).filter(id => !before.includes(id));
    expect(mine.length > 0, 'the server has no such call');
    controller.abort('the user changed their mind');
    for (let tries = 0; tries < 30 && !settled; tries++) await pause(100);
    expect(settled, 'the call is not over 3 s after the abort');
    await running;
    expect(settled.startsWith('it failed'), `the aborted call has a result: ${settled}`);
    for (let tries = 0; tries < 20 && await some(mine); tries++) await pause(100);
    expect(!await some(mine), 'the process runs on 2 s after the abort');
  }));
  await check(client, 'a call after the abort works', async () => expectPods(await call('kubectl', 'get pods -A')));
}

// The first condition is met, and told; a StatefulSet never has the second.
const WAIT = 'wait --for=condition=Ready pod/web-0 statefulset/web -n default --timeout=50s';

// The ids of calls that have a child. The server knows; who looks among the processes does not see what a child does
// that was started before its call. A call is on the list until its child is gone.
async function children() {
  const { calls } = await (await fetch(new URL('/calls', url))).json();
  return calls.filter(call => call.state === 'running').map(call => call.request_id);
}

async function some(ids) {
  return (await children()).some(id => ids.includes(id));
}

// Two clients run at once, and the list of calls does not say whose they are: one of them at a time has a call that
// waits, and what else is on the list ends by itself.
async function alone(body) {
  for (let tries = 0; ; tries++) {
    try {
      mkdirSync('waiting');
      break;
    } catch (error) {
      if (error.code !== 'EEXIST' || tries > 600) throw error;
      await pause(50);
    }
  }
  try {
    await body();
  } finally {
    rmdirSync('waiting');
  }
}

async function installed() {
  const { tools } = await (await fetch(new URL('/tools/status', url))).json();
  return Object.keys(tools).filter(tool => tools[tool].state === 'available');
}
