"""The commands' gateway, which these tests take away."""

from tests.cli.conftest import gateway, hang_up_is_not_ignored

__all__ = ["gateway", "hang_up_is_not_ignored"]
