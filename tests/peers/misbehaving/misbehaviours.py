"""All misbehaviours of the HTTP/2 server by name: ``MISBEHAVIOURS["rst_after_data"]()`` is a step for a script.

Importing this module fills the table.
"""

from tests.peers.http2.scripts import MISBEHAVIOURS
from tests.peers.misbehaving import bad_ends, bad_replies, bad_windows, floods, odd_frames

__all__ = ["MISBEHAVIOURS", "bad_ends", "bad_replies", "bad_windows", "floods", "odd_frames"]
