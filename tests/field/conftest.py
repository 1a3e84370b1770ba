"""What the command line's own tests need, here as well."""

from tests.cli.conftest import hang_up_is_not_ignored as hang_up_is_not_ignored
