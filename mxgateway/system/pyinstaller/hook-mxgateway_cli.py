"""What PyInstaller does not see in the command line: the commands, which are imported by name."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("mxgateway_cli")
