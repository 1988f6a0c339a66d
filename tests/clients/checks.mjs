// The checks that every TypeScript client and the Inspector run, whatever the API of its version.
//
// A client is two functions: `list()` gives the names of the tools, `call(tool, command, signal)` the result
// of one call. python.py holds the same checks for Python.

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export const url = process.env.AIRLOCK_URL;
export const headers = { 'X-Kubeconfig': readFileSync(process.env.AIRLOCK_KUBECONFIG).toString('base64') };

const TOOLS = ['argocd', 'helm', 'istioctl', 'kubectl'];

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
  const { success, exit_code, untrusted } = facts(result) ?? {};
  expect(!result.isError && success === true && exit_code === 0, 'it did not succeed', result);
  const output = text(result);
  expect(output.startsWith(`<${untrusted}>\n`) && output.endsWith(`</${untrusted}>`), 'the output has no fence', result);
  expect(output.includes('web-0'), 'the text does not name web-0', result);
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
  await check(client, 'a call after the tool errors works', async () => expectPods(await call('kubectl', 'get pods -A')));
}

// A call waits longer than a check does, so only the abort can have ended it.
export async function abort(client, seconds, { call }) {
  await check(client, 'an abort ends the running call, and its process', async () => {
    const [namespace] = expectPods(await call('kubectl', 'get pods -A --no-headers')).split('\n').find(line => line.includes(' web-0 ')).split(' ');
    const controller = new AbortController();
    let settled;
    const running = call('kubectl', `wait --for=delete pod/web-0 -n ${namespace} --timeout=${seconds}s`, controller.signal)
      .then(result => { settled = `it returned ${JSON.stringify(result)}`; }, error => { settled = `it failed: ${error.message}`; });
    // Time for the child to start; a call that ended by itself would prove nothing.
    for (let tries = 0; tries < 50 && !settled && !await children(); tries++) await pause(100);
    expect(!settled, `the call was over before the abort: ${settled}`);
    expect(await children() > 0, 'no child was started in 5 s');
    controller.abort('the user changed their mind');
    for (let tries = 0; tries < 30 && !settled; tries++) await pause(100);
    expect(settled, 'the call is not over 3 s after the abort');
    await running;
    expect(settled.startsWith('it failed'), `the aborted call has a result: ${settled}`);
    for (let tries = 0; tries < 50 && await children(); tries++) await pause(100);
    expect(!await children(), 'the process runs on 5 s after the abort');
  });
  await check(client, 'a call after the abort works', async () => expectPods(await call('kubectl', 'get pods -A')));
}

// How many calls of this client have a child. The server knows; who looks among the processes does not see
// what a child does that was started before its call. A call is on the list until its child is gone.
async function children() {
  const { calls } = await (await fetch(new URL('/calls', url))).json();
  return calls.filter(call => call.state === 'running').length;
}
