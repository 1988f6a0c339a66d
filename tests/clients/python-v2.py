"""The Python SDK, in both eras."""

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from checks import HEADERS, URL, abort, answer, calls, check, connection, expect


class Sdk:
    def __init__(self, client):
        self.client = client

    async def list(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, command, told):
        async def progress(_done, _total, message):
            told.append(message)

        return answer(await self.client.call_tool(tool, {"command": command}, progress_callback=progress))


async def main():
    for mode, version in [("auto", "2026-07-28"), ("legacy", "2025-11-25")]:
        label = f"Python v2, {mode}"
        async with connection(label):
            # Longer than any call here: httpx would give up after 5 s of silence.
            async with httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
                async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:

                    async def negotiated():
                        expect(client.session.protocol_version == version, f"it speaks {client.session.protocol_version}")

                    await check(label, f"speaks {version}", negotiated)
                    await calls(label, Sdk(client))
                    await abort(label, Sdk(client))


anyio.run(main)
