"""Python values and MxValue, in both directions."""

from typing import TYPE_CHECKING

from mxgateway.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from mxgateway.values.conversion import MxArrayInput as MxArrayInput
    from mxgateway.values.conversion import MxArrayOutput as MxArrayOutput
    from mxgateway.values.conversion import MxScalarInput as MxScalarInput
    from mxgateway.values.conversion import MxValueInput as MxValueInput
    from mxgateway.values.conversion import MxValueOutput as MxValueOutput
    from mxgateway.values.conversion import UnconvertedValue as UnconvertedValue
    from mxgateway.values.conversion import from_mx_array as from_mx_array
    from mxgateway.values.conversion import from_mx_value as from_mx_value
    from mxgateway.values.conversion import mx_value_by_rule as mx_value_by_rule
    from mxgateway.values.conversion import scalar_value as scalar_value
    from mxgateway.values.conversion import to_mx_array as to_mx_array
    from mxgateway.values.conversion import to_mx_sparse_array as to_mx_sparse_array
    from mxgateway.values.conversion import to_mx_value as to_mx_value
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".conversion": (
                "MxArrayInput",
                "MxArrayOutput",
                "MxScalarInput",
                "MxValueInput",
                "MxValueOutput",
                "UnconvertedValue",
                "from_mx_array",
                "from_mx_value",
                "mx_value_by_rule",
                "scalar_value",
                "to_mx_array",
                "to_mx_sparse_array",
                "to_mx_value",
            ),
        },
    )
