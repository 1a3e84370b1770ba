"""Python values to MxValue and back.

Writing is strict: a Python value becomes exactly one kind of MxValue, or is refused before anything is sent, with one
line that says what, where and what to do. Reading never fails: a value without a Python form is returned complete as an
`UnconvertedValue`.

========================  ==========================================  ==================================================
Python                    MxValue                                     notes
========================  ==========================================  ==================================================
``bool``                  bool_value, BOOLEAN, VT_BOOL
``int`` of 32 bits        int32_value, INTEGER, VT_I4                 also IntEnum and numpy integers (``__index__``)
``int`` of 64 bits        int64_value, INTEGER, VT_I8
``float``                 double_value, DOUBLE, VT_R8                 float_value, VT_R4 when FLOAT is asked for
``str``                   string_value, STRING, VT_BSTR
``datetime`` with a zone  timestamp_value, TIME, VT_DATE              in UTC, exact to 100 ns; read as a `Timestamp`
``timedelta``             double_value, ELAPSED_TIME, VT_R8           in seconds; read back as that number
``bytes``                 raw_value, UNKNOWN, VT_RECORD               passed through as they are
sequence of one of them   array_value, VT_ARRAY|…                     read back as a list
``None``                  is_null, NO_DATA, VT_EMPTY                  whatever data type is asked for
========================  ==========================================  ==================================================

A ready ``proto.MxValue``, ``proto.MxArray`` or ``proto.MxSparseArray`` is sent as it is.
"""

from typing import TYPE_CHECKING

from mxgateway.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from mxgateway.values.from_mx import from_mx_array as from_mx_array
    from mxgateway.values.from_mx import from_mx_value as from_mx_value
    from mxgateway.values.to_mx import mx_value_by_rule as mx_value_by_rule
    from mxgateway.values.to_mx import scalar_value as scalar_value
    from mxgateway.values.to_mx import to_mx_array as to_mx_array
    from mxgateway.values.to_mx import to_mx_sparse_array as to_mx_sparse_array
    from mxgateway.values.to_mx import to_mx_value as to_mx_value
    from mxgateway.values.types import MxArrayInput as MxArrayInput
    from mxgateway.values.types import MxArrayOutput as MxArrayOutput
    from mxgateway.values.types import MxScalarInput as MxScalarInput
    from mxgateway.values.types import MxValueInput as MxValueInput
    from mxgateway.values.types import MxValueOutput as MxValueOutput
    from mxgateway.values.types import UnconvertedValue as UnconvertedValue
    from mxgateway.wire.equality import same_value as same_value
    from mxgateway.wire.float32 import shortest_floats as shortest_floats
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".from_mx": ("from_mx_array", "from_mx_value"),
            ".to_mx": ("mx_value_by_rule", "scalar_value", "to_mx_array", "to_mx_sparse_array", "to_mx_value"),
            ".types": (
                "MxArrayInput",
                "MxArrayOutput",
                "MxScalarInput",
                "MxValueInput",
                "MxValueOutput",
                "UnconvertedValue",
            ),
            "mxgateway.wire.equality": ("same_value",),
            "mxgateway.wire.float32": ("shortest_floats",),
        },
    )
