"""The `mxgw-py` command: the MXAccess Gateway for pipelines, commissioning and inspection."""
