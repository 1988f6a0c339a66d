"""FastMCP's client, which raises what a tool refuses."""

import anyio
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError

from checks import HEADERS, URL, Answer, abort, calls, check, connection, expect


class FastMcp:
    def __init__(self, client):
        self.client = client

    async def list(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool, command, told):
        async def progress(_done, _total, message):
            told.append(message)

        result = await self.client.call_tool(tool, {"command": command}, progress_handler=progress, raise_on_error=False)
        expect(result.structured_content is None and len(result.content) == 1, "it is not one text", result)
        return Answer(result.content[0].text, result.is_error, result.meta["kube-airlock"])


async def main():
    label = "FastMCP"
    async with connection(label):
        async with Client(StreamableHttpTransport(URL, headers=HEADERS)) as client:
            await calls(label, FastMcp(client))

            async def raises():
                try:
                    await client.call_tool("kubectl", {"command": "delete pod web-0"})
                except ToolError as error:
                    expect("  try:  " in str(error), f"it says {error}")
                else:
                    expect(False, "nothing was raised")

            await check(label, "a refusal is a ToolError, with the hint", raises)
            await abort(label, FastMcp(client))


anyio.run(main)
