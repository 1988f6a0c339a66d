"""The checks that every Python client runs: those of checks.mjs, in the same order and words.

A client has `list()`, which gives the names of the tools, and `call(tool, command, told)`, which gives an `Answer` and
appends the messages of progress to the list `told` meanwhile.
"""

import asyncio
import base64
import json
import os
import pathlib
import re
import sys
import urllib.parse
import urllib.request
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio

URL = os.environ["AIRLOCK_URL"]
HEADERS = {"X-Kubeconfig": base64.b64encode(pathlib.Path(os.environ["AIRLOCK_KUBECONFIG"]).read_bytes()).decode()}
TOOLS = ["argocd", "helm", "istioctl", "kubectl"]

# What each of the other tools answers beside the demo cluster, with the view-only kubeconfig.
ANSWERS = [
    ("helm", "list -n releases", "shop-1.0.0"),
    ("istioctl", "version --remote=false", "client version"),
    ("argocd", "version --client", "argocd: v"),
]

# The first condition is met, and told; a StatefulSet never has the second.
WAIT = "wait --for=condition=Ready pod/web-0 statefulset/web -n default --timeout=50s"

sys.stdout.reconfigure(line_buffering=True)


class Answer(NamedTuple):
    """What a host makes of a result: the text that a model reads, whether it is an error, and `_meta`, if the host has it."""

    text: str
    is_error: bool
    meta: dict[str, Any] | None


def answer(result):
    """An SDK's result, of either major version. A model reads its output once, whether its host shows it texts or structure."""
    wire = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    expect("structuredContent" not in wire and len(wire["content"]) == 1, "it is not one text", wire)
    return Answer(wire["content"][0]["text"], wire.get("isError", False), wire["_meta"]["kube-airlock"])


class Unmet(Exception):
    """What was expected and is not so."""


def expect(truth, otherwise, seen=None):
    if not truth:
        raise Unmet(otherwise if seen is None else f"{otherwise}; the result is {seen}")


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


@asynccontextmanager
async def connection(label, sentence="connects and leaves"):
    """Around all that a client does: says whether it came and went without an error."""
    try:
        yield
    except Exception as error:
        print(f"not ok - {label}: {sentence}: {one_line(error)}")
    else:
        print(f"ok - {label}: {sentence}")


def expect_refused(result, code=None):
    expect(result.is_error is True, "isError is not true", result)
    expect(result.meta is None or result.meta.get("success") is False, "success is not false", result)
    if code:
        expect(result.meta is None or result.meta.get("code") == code, f"code is not {code}", result)
        expect(result.text.startswith(f"error[{code}]: "), f"the text does not say {code}", result)


def expect_output(result, word):
    expect(not result.is_error, "it did not succeed", result)
    fence = re.match(r"<(output \d{6})>\n", result.text)
    expect(fence and result.text.endswith(f"</{fence[1]}>"), "the output has no fence", result)
    if result.meta is not None:
        known = [result.meta.get(name) for name in ("success", "exit_code", "untrusted")]
        expect(known == [True, 0, fence[1]], "_meta says something else", result)
    expect(word in result.text, f"the text does not name {word}", result)


async def asked(path):
    """What the server says over REST."""
    address = urllib.parse.urljoin(URL, path)
    return json.loads(await anyio.to_thread.run_sync(lambda: urllib.request.urlopen(address, timeout=10).read()))


async def children():
    """The ids of calls that have a child. A call is on the server's list until its child is gone."""
    return {call["request_id"] for call in (await asked("/calls"))["calls"] if call["state"] == "running"}


@asynccontextmanager
async def alone():
    """Two clients run at once, and the list of calls does not say whose they are: one of them at a time has a call that
    waits, and what else is on the list ends by itself."""
    with anyio.fail_after(30):
        while True:
            try:
                os.mkdir("waiting")
                break
            except FileExistsError:
                await anyio.sleep(0.05)
    try:
        yield
    finally:
        os.rmdir("waiting")


async def calls(label, client):
    async def call(tool, command):
        return await client.call(tool, command, [])

    async def lists():
        names = sorted(await client.list())
        expect(names == TOOLS, f"it lists {' '.join(names)}")

    async def pods():
        expect_output(await call("kubectl", "get pods -A"), "web-0")

    async def denied():
        result = await call("kubectl", "delete pod web-0")
        expect_refused(result, "policy_denied")
        expect(re.search(r"^  try:  \S", result.text, re.MULTILINE), "there is no hint", result)

    async def invalid():
        expect_refused(await call("kubectl", "get pods; id"), "invalid_command")

    async def helm():
        expect_refused(await call("helm", "list"))

    await check(label, "lists exactly the four tools", lists)
    await check(label, "`get pods -A` returns the pods", pods)
    await check(label, "`delete pod web-0` is denied by the policy, with a hint", denied)
    await check(label, "`get pods; id` is an invalid command", invalid)
    await check(label, "`helm list` is a tool error", helm)
    here = (await asked("/tools/status"))["tools"]
    for tool, command, word in ANSWERS:
        if here[tool]["state"] != "available":
            print(f"# {label}: {tool} is not installed beside this server, and is not called")
            continue

        async def answers():
            expect_output(await call(tool, command), word)

        await check(label, f"`{tool} {command}` answers", answers)
    await check(label, "a call after the tool errors works", pods)


async def abort(label, client):
    """A call that tells a line and then waits longer than a check does: only the abort can have ended it."""

    async def aborted():
        async with alone():
            before = await children()
            told = []
            call = asyncio.create_task(client.call("kubectl", WAIT, told))
            with anyio.move_on_after(8):
                while not (call.done() or told):
                    await anyio.sleep(0.1)
            over = call.done()
            mine = await children() - before
            call.cancel()
            with anyio.move_on_after(3):
                await asyncio.wait([call])
            expect(not over, f"the call was over before the abort: {call}")
            expect("pod/web-0 condition met" in str(told), f"its progress after 8 s is {told}")
            expect(call.cancelled(), f"the call was not aborted within 3 s: {call}")
            expect(mine, "the server has no such call")
            with anyio.move_on_after(2):
                while mine & await children():
                    await anyio.sleep(0.1)
            expect(not mine & await children(), "the process runs on 2 s after the abort")

    async def later():
        expect_output(await client.call("kubectl", "get pods -A", []), "web-0")

    await check(label, "a running call tells its progress, and an abort ends it and its process", aborted)
    await check(label, "a call after the abort works", later)
