"""The Python client, in both eras. The checks are those of checks.mjs, in the same order and words."""

import base64
import json
import os
import pathlib
import re
import sys

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = os.environ["AIRLOCK_URL"]
HEADERS = {"X-Kubeconfig": base64.b64encode(pathlib.Path(os.environ["AIRLOCK_KUBECONFIG"]).read_bytes()).decode()}
TOOLS = ["argocd", "helm", "istioctl", "kubectl"]


class Unmet(Exception):
    """What was expected and is not so."""


def expect(truth, otherwise, result=None):
    if not truth:
        seen = "" if result is None else f"; the result is {result.model_dump_json(by_alias=True, exclude_none=True)}"
        raise Unmet(otherwise + seen)


def one_line(error):
    # A failure inside a task group arrives wrapped, and the wrapping says nothing.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    told = str(error) if isinstance(error, Unmet) else f"{type(error).__name__}: {error}"
    return re.sub(r"\s+", " ", told)[:600]


async def check(label, sentence, body):
    try:
        with anyio.fail_after(60):
            await body()
    except Exception as error:
        print(f"not ok - {label}: {sentence}: {one_line(error)}")
    else:
        print(f"ok - {label}: {sentence}")


def facts(result):
    """What a program finds beside the text that a model reads."""
    return (result.meta or {}).get("kube-airlock", {})


def text(result):
    """A model reads its output once, whether its host shows it texts, structure or both."""
    expect(result.structured_content is None and len(result.content) == 1, "it is not one text", result)
    return result.content[0].text


def expect_refused(result, code=None):
    expect(result.is_error is True, "isError is not true", result)
    expect(facts(result).get("success") is False, "success is not false", result)
    expect(code is None or facts(result).get("code") == code and text(result).startswith(f"error[{code}]: "), f"code is not {code}", result)


def expect_pods(result):
    known = facts(result)
    expect(not result.is_error and known.get("success") is True and known.get("exit_code") == 0, "it did not succeed", result)
    output = text(result)
    fence = known.get("untrusted")
    expect(output.startswith(f"<{fence}>\n") and output.endswith(f"</{fence}>"), "the output has no fence", result)
    expect("web-0" in output, "the text does not name web-0", result)
    return output


async def children():
    """How many calls of this client have a child. A call is on the server's list until its child is gone."""
    async with httpx2.AsyncClient() as http:
        listed = (await http.get(httpx2.URL(URL).join("/calls"))).json()
    return sum(call["state"] == "running" for call in listed["calls"])


async def calls(label, client):
    async def call(tool, command):
        return await client.call_tool(tool, {"command": command})

    async def lists():
        names = sorted(tool.name for tool in (await client.list_tools()).tools)
        expect(names == TOOLS, f"it lists {' '.join(names)}")

    async def pods():
        expect_pods(await call("kubectl", "get pods -A"))

    async def denied():
        result = await call("kubectl", "delete pod web-0")
        expect_refused(result, "policy_denied")
        expect(re.search(r"^  try:  \S", text(result), re.MULTILINE), "there is no hint", result)

    async def invalid():
        expect_refused(await call("kubectl", "get pods; id"), "invalid_command")

    async def helm():
        expect_refused(await call("helm", "list"))

    await check(label, "lists exactly the four tools", lists)
    await check(label, "`get pods -A` returns the pods", pods)
    await check(label, "`delete pod web-0` is denied by the policy, with a hint", denied)
    await check(label, "`get pods; id` is an invalid command", invalid)
    await check(label, "`helm list` is a tool error", helm)
    await check(label, "a call after the tool errors works", pods)


async def abort(label, client, seconds):
    async def aborted():
        pods = expect_pods(await client.call_tool("kubectl", {"command": "get pods -A --no-headers"}))
        namespace = next(line for line in pods.splitlines() if " web-0 " in line).split()[0]
        command = f"wait --for=delete pod/web-0 -n {namespace} --timeout={seconds}s"
        early = []

        async def wait(scope):
            with scope:
                early.append((await client.call_tool("kubectl", {"command": command})).model_dump(mode="json"))

        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            group.start_soon(wait, scope)
            for _ in range(50):
                if early or await children():
                    break
                await anyio.sleep(0.1)
            started = await children() > 0
            over = bool(early)
            scope.cancel()
        expect(not over, f"the call was over before the abort: it returned {json.dumps(early)}")
        expect(not early, f"the aborted call has a result: {json.dumps(early)}")
        expect(started, "no child was started in 5 s")
        for _ in range(50):
            if not await children():
                return
            await anyio.sleep(0.1)
        raise Unmet("the process runs on 5 s after the abort")

    async def later():
        expect_pods(await client.call_tool("kubectl", {"command": "get pods -A"}))

    await check(label, "an abort ends the running call, and its process", aborted)
    await check(label, "a call after the abort works", later)


async def main():
    for mode, version, seconds in [("auto", "2026-07-28", 25), ("legacy", "2025-11-25", 26)]:
        label = f"Python v2, {mode}"
        connects = f"connects and speaks {version}"
        connected = False
        try:
            # Longer than any call here: httpx would give up after 5 s of silence.
            async with httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
                async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
                    connected = True

                    async def negotiated():
                        expect(client.session.protocol_version == version, f"it speaks {client.session.protocol_version}")

                    await check(label, connects, negotiated)
                    await calls(label, client)
                    await abort(label, client, seconds)
        except Exception as error:
            print(f"not ok - {label}: {'leaves cleanly' if connected else connects}: {one_line(error)}")


sys.stdout.reconfigure(line_buffering=True)
anyio.run(main)
