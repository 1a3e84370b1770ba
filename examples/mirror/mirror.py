"""A service that mirrors tags into SQLite: ``python mirror.py --database plant.db Tank01.Level Pump01.Running``.

It starts before the gateway does, and goes on after a dropped connection, a restarted gateway and a crashed worker. The
table `connection` says whether the values are current, the table `losses` which changes are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from database import Database

from mxgateway import GatewayClient, Overflow


async def mirror(client: GatewayClient, tags: list[str], database: Database) -> None:
    """Keep the current values of tags in a database, until cancelled.

    If SQLite is slower than the plant, a mirror wants the newest value of each tag, not all of them.
    """
    await database.keep_only(tags)
    async with client.subscribe(
        tags, overflow=Overflow.LATEST_PER_TAG, max_items=2 * len(tags) + 100, client_session_name="mirror"
    ) as updates:
        async for batch in updates.batches():
            await database.store(batch)


async def main() -> None:
    """Run the service with the options of its command line and the API key of its environment."""
    parser = argparse.ArgumentParser(description="Mirror tags into SQLite.")
    parser.add_argument("--endpoint", default="localhost:5000")
    parser.add_argument("--plaintext", action="store_true")
    parser.add_argument("--database", type=Path, default=Path("plant.db"))
    parser.add_argument("tags", nargs="+")
    given = parser.parse_args()
    async with (
        Database(given.database) as database,
        GatewayClient.connect(
            given.endpoint, api_key=os.environ["MXGATEWAY_API_KEY"], plaintext=given.plaintext, wait=None
        ) as client,
    ):
        await mirror(client, given.tags, database)


if __name__ == "__main__":
    asyncio.run(main())
