"""The Python SDK of the `initialize` era.

It tells a server nothing of a call that was cancelled. What ends the call is its session's end, and so hosts that cancel
open a session for each call, as LangChain's adapters do.
"""

from contextlib import asynccontextmanager

import anyio
from mcp import ClientSession
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from checks import HEADERS, URL, abort, answer, calls, check, connection, expect


class Sdk:
    def __init__(self, session):
        self.session = session

    async def list(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, tool, command, told):
        async def progress(_done, _total, message):
            told.append(message)

        return answer(await self.session.call_tool(tool, {"command": command}, progress_callback=progress))


@asynccontextmanager
async def session():
    async with (
        create_mcp_http_client(headers=HEADERS) as http,
        streamable_http_client(URL, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        yield session


class SessionPerCall:
    async def call(self, tool, command, told):
        async with session() as own:
            await own.initialize()
            return await Sdk(own).call(tool, command, told)


async def main():
    label = "Python v1"
    async with connection(label), session() as kept:

        async def negotiated():
            version = (await kept.initialize()).protocolVersion
            expect(version == "2025-11-25", f"it speaks {version}")

        await check(label, "speaks 2025-11-25", negotiated)
        await calls(label, Sdk(kept))
        await abort(label, SessionPerCall())


anyio.run(main)
