"""Options, every default with its reason: client, sessions, subscriptions, endpoints, credentials, tracing."""

from typing import TYPE_CHECKING

from mxgateway.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from mxgateway.options.checks import check_metadata as check_metadata
    from mxgateway.options.checks import check_timeout as check_timeout
    from mxgateway.options.client import DEFAULT_ENDPOINT as DEFAULT_ENDPOINT
    from mxgateway.options.client import ClientOptions as ClientOptions
    from mxgateway.options.client import OpenSessionOptions as OpenSessionOptions
    from mxgateway.options.client import RetryOptions as RetryOptions
    from mxgateway.options.client import SpokenContract as SpokenContract
    from mxgateway.options.client import merge_options as merge_options
    from mxgateway.options.endpoints import Endpoint as Endpoint
    from mxgateway.options.endpoints import HttpProxy as HttpProxy
    from mxgateway.options.protocol_version import PROTOCOL_VERSION as PROTOCOL_VERSION
    from mxgateway.options.secret_fields import wrap_secrets as wrap_secrets
    from mxgateway.options.tls import TlsOptions as TlsOptions
    from mxgateway.options.tls import read_fingerprint as read_fingerprint
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".client": (
                "DEFAULT_ENDPOINT",
                "ClientOptions",
                "OpenSessionOptions",
                "RetryOptions",
                "SpokenContract",
                "merge_options",
            ),
            ".checks": ("check_metadata", "check_timeout"),
            ".endpoints": ("Endpoint", "HttpProxy"),
            ".protocol_version": ("PROTOCOL_VERSION",),
            ".secret_fields": ("wrap_secrets",),
            ".tls": ("TlsOptions", "read_fingerprint"),
        },
    )
