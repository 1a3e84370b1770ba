"""A gateway's contract as data: loading, comparing, and binding a client to it."""

from mxgateway.contract.comparing import Difference as Difference
from mxgateway.contract.comparing import DifferenceKind as DifferenceKind
from mxgateway.contract.comparing import PackageSummary as PackageSummary
from mxgateway.contract.comparing import compare as compare
from mxgateway.contract.comparing import own_descriptor_set as own_descriptor_set
from mxgateway.contract.comparing import summarize as summarize
from mxgateway.contract.contract import Contract as Contract
from mxgateway.contract.descriptor_set import ContractError as ContractError
from mxgateway.contract.reflection import NoReflectionError as NoReflectionError
