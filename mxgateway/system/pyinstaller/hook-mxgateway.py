"""What PyInstaller does not see in the library: modules that are imported by name, the contract, betterproto's version."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

hiddenimports = collect_submodules(
    "mxgateway", filter=lambda name: not name.startswith(("mxgateway.testing", "mxgateway.system.pyinstaller"))
)
datas = [*collect_data_files("mxgateway"), *copy_metadata("betterproto")]
