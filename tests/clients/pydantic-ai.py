"""pydantic-ai: its toolset, and an agent whose model is a function that keeps what it was shown."""

import anyio
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from checks import HEADERS, URL, Answer, abort, calls, check, connection, expect


class Toolset:
    def __init__(self):
        self.told = []

        async def progress(_done, _total, message):
            self.told.append(message)

        self.toolset = MCPToolset(URL, headers=HEADERS, progress_handler=progress)

    async def list(self):
        return [tool.name for tool in await self.toolset.list_tools()]

    async def call(self, tool, command, told):
        # The handler belongs to the toolset, and not to one call.
        self.told = told
        try:
            result = await self.toolset.direct_call_tool(tool, {"command": command})
        except ModelRetry as retry:
            return Answer(retry.message, True, None)
        expect(isinstance(result, str), "it is not one text", result)
        return Answer(result, False, None)


async def agent_reads(toolset):
    """A model that asks for something that is refused, then for what is allowed, and reads both answers."""
    shown = []

    def model(messages, _info):
        last = messages[-1].parts[-1]
        if isinstance(last, ToolReturnPart):
            shown.append(last)
        commands = ["delete pod web-0", "get pods -A"]
        if len(shown) == len(commands):
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[ToolCallPart("kubectl", {"command": commands[len(shown)]})])

    await Agent(FunctionModel(model), toolsets=[toolset]).run("which pods are there?")
    refused, pods = shown
    expect(isinstance(refused.content, str) and "\n  try:  " in refused.content, "it does not read the refusal", refused)
    expect(isinstance(pods.content, str) and pods.content.startswith("<output ") and "web-0" in pods.content, "it does not read the pods", pods)


async def main():
    label = "pydantic-ai"
    async with connection(label):
        client = Toolset()
        async with client.toolset:
            await calls(label, client)
            await check(label, "a model reads the refusal and its hint, then the pods", lambda: agent_reads(client.toolset))
            await abort(label, client)


anyio.run(main)
