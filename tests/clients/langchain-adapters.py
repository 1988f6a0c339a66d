"""LangChain's adapters, as an agent uses them: a session for each call, and a message with texts for the model."""

import anyio
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient

from checks import HEADERS, URL, Answer, abort, calls, connection, expect


class LangChain:
    async def tools(self, told=None):
        async def progress(_done, _total, message, _context):
            told.append(message)

        callbacks = Callbacks() if told is None else Callbacks(on_progress=progress)
        server = {"transport": "streamable_http", "url": URL, "headers": HEADERS}
        return {tool.name: tool for tool in await MultiServerMCPClient({"cluster": server}, callbacks=callbacks).get_tools()}

    async def list(self):
        return list(await self.tools())

    async def call(self, tool, command, told):
        request = {"type": "tool_call", "id": "1", "name": tool, "args": {"command": command}}
        message = await (await self.tools(told))[tool].ainvoke(request)
        expect(len(message.content) == 1 and message.artifact is None, "it is not one text", message)
        return Answer(message.content[0]["text"], message.status == "error", None)


async def main():
    label = "LangChain"
    async with connection(label, "comes and goes"):
        await calls(label, LangChain())
        await abort(label, LangChain())


anyio.run(main)
