"""Every misbehaviour of the HTTP/2 server by its name: ``MISBEHAVIOURS["rst_after_data"]()`` is a step for a script.

Importing this module fills the table; each has a line of its own in the module of its kind.
"""

from tests.peers import bad_ends, bad_replies, bad_windows, floods, odd_frames
from tests.peers.scripts import MISBEHAVIOURS

__all__ = ["MISBEHAVIOURS", "bad_ends", "bad_replies", "bad_windows", "floods", "odd_frames"]
