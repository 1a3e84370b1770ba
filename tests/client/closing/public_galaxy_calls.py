"""The public calls of the galaxy, ready to be made."""

from __future__ import annotations

import asyncio
from typing import Final

from mxgateway import (
    DeployWatch,
    GalaxyRepositoryClient,
    HierarchyPages,
    LazyBrowseNode,
    RecoveryOptions,
    proto,
)
from mxgateway.transport.connecting.open_channel import Opening
from tests.client.stage import Call, Stage, next_call

PAGE: Final = 4
"""Objects of a page: the plant then has several."""


async def _and_close(opening: Opening[GalaxyRepositoryClient]) -> None:
    await (await opening).close()


def _connect(stage: Stage) -> Opening[GalaxyRepositoryClient]:
    plaintext = stage.client._channel.options.plaintext
    return GalaxyRepositoryClient.connect(stage.gateway.endpoint, api_key=stage.gateway.api_key, plaintext=plaintext)


async def _another_client(stage: Stage) -> GalaxyRepositoryClient:
    client = await _connect(stage)
    await client.test_connection()
    return client


async def other_closed(stage: Stage) -> None:
    """Prove that the other client is closed, and that this one works."""
    await stage.prepared.close()
    assert stage.prepared._channel._connections == set()
    await next_call(stage)


# -- pages


def _walk(stage: Stage, prefetch: int = 0) -> HierarchyPages:
    stage.streams.append(walk := stage.client.galaxy.iter_hierarchy(page_size=PAGE, prefetch=prefetch))
    return walk


async def _begun(stage: Stage) -> HierarchyPages:
    """A walk whose first page has been read."""
    walk = _walk(stage)
    assert len(await walk.next_page()) == PAGE
    return walk


async def _begun_ahead(stage: Stage) -> HierarchyPages:
    """A walk whose first page has been read, and whose second one has been asked for."""
    walk = _walk(stage, 1)
    assert len(await walk.next_page()) == PAGE
    return walk


async def rest_comes(stage: Stage) -> None:
    """Prove that no object was lost: what was not read yet comes now, as if nothing had happened."""
    rest = [each.tag_name async for each in stage.streams[0]]
    whole = [each.tag_name for each in await stage.client.galaxy.discover_hierarchy()]
    assert rest
    assert rest == whole[-len(rest) :]
    assert len(rest) >= len(whole) - 2 * PAGE


async def walk_over(stage: Stage) -> None:
    """Prove that a closed walk has ended, and that the client can begin another."""
    assert [each async for each in stage.streams[0]] == []
    assert await stage.client.galaxy.discover_hierarchy(page_size=PAGE)


# -- branches


async def _area(stage: Stage) -> LazyBrowseNode:
    return (await stage.client.galaxy.browse(page_size=2))[0]


async def expanded_again(stage: Stage) -> None:
    """Prove that the node can be expanded."""
    assert [child.object.tag_name for child in await stage.prepared.expand()][:1] == ["Pump01"]


# -- deployments


def _watch(stage: Stage) -> DeployWatch:
    recovery = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02)
    stage.streams.append(watch := stage.client.galaxy.watch_deploy_events(recovery=recovery))
    return watch


async def _watching(stage: Stage) -> DeployWatch:
    """A watch that knows the present state."""
    watch = _watch(stage)
    assert isinstance(await anext(watch), proto.DeployEvent)
    return watch


async def _waiting(stage: Stage) -> DeployWatch:
    """A watch that knows the present state, and a deployment that comes once it waits for it."""
    watch = await _watching(stage)
    stage.soon(stage.gateway.deploy)
    return watch


async def deployment_comes(stage: Stage) -> None:
    """Prove that the watch brings the last deployment."""
    stage.gateway.deploy()
    async with asyncio.timeout(10):
        async for event in stage.streams[0]:
            if event == stage.gateway.galaxy.state():
                return
    raise AssertionError("the watch has ended")


def _raw_page() -> proto.DiscoverHierarchyRequest:
    return proto.DiscoverHierarchyRequest(page_size=PAGE)


GALAXY_CALLS: Final = [
    Call("GalaxyRepositoryClient.connect", lambda s: _and_close(_connect(s))),
    Call("GalaxyRepositoryClient.close", lambda s: s.prepared.close(), other_closed, _another_client),
    Call("GalaxyRepositoryClient.__aenter__", lambda s: s.client.galaxy.__aenter__()),
    Call("GalaxyRepositoryClient.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), other_closed, _another_client),
    Call("GalaxyRepositoryClient.test_connection", lambda s: s.client.galaxy.test_connection(), reconnects=True),
    Call("GalaxyRepositoryClient.get_last_deploy_time", lambda s: s.client.galaxy.get_last_deploy_time()),
    Call("GalaxyRepositoryClient.discover_hierarchy", lambda s: s.client.galaxy.discover_hierarchy(page_size=PAGE), reconnects=True),
    Call("GalaxyRepositoryClient.discover_hierarchy_raw", lambda s: s.client.galaxy.discover_hierarchy_raw(_raw_page())),
    Call("GalaxyRepositoryClient.tree", lambda s: s.client.galaxy.tree(page_size=PAGE)),
    Call("GalaxyRepositoryClient.find", lambda s: s.client.galaxy.find("*.Running")),
    Call("GalaxyRepositoryClient.browse", lambda s: s.client.galaxy.browse(page_size=2)),
    Call("GalaxyRepositoryClient.browse_children_raw", lambda s: s.client.galaxy.browse_children_raw(proto.BrowseChildrenRequest())),
    Call("HierarchyPages.__aenter__", lambda s: _walk(s).__aenter__(), rest_comes),
    Call("HierarchyPages.__anext__", lambda s: s.prepared.__anext__(), rest_comes, _begun),
    Call("HierarchyPages.__anext__ (the first)", lambda s: _walk(s).__anext__(), rest_comes, reconnects=True),
    Call("HierarchyPages.next_page", lambda s: s.prepared.next_page(), rest_comes, _begun),
    Call("HierarchyPages.next_page (ahead)", lambda s: s.prepared.next_page(), rest_comes, _begun_ahead),
    Call("HierarchyPages.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), walk_over, _begun_ahead),
    Call("HierarchyPages.aclose", lambda s: s.prepared.aclose(), walk_over, _begun_ahead),
    Call("PagesIterator.__anext__", lambda s: s.prepared.pages().__anext__(), rest_comes, _begun),
    Call("LazyBrowseNode.expand", lambda s: s.prepared.expand(), expanded_again, _area, reconnects=True),
    Call("DeployWatch.__aenter__", lambda s: _watch(s).__aenter__(), deployment_comes, watches=1),
    Call("DeployWatch.__anext__", lambda s: s.prepared.__anext__(), deployment_comes, _waiting, watches=1),
    Call("DeployWatch.__anext__ (the first)", lambda s: _watch(s).__anext__(), deployment_comes, reconnects=True, watches=1),
    Call("DeployWatch.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), next_call, _watching),
    Call("DeployWatch.aclose", lambda s: s.prepared.aclose(), next_call, _watching),
]  # fmt: skip
