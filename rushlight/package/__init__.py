"""Packages: one file with objects, the code they need and what else belongs to them.

`PackageExporter` follows what pickled objects and modules import and asks what to do with each
module: put it in (intern), leave it to whoever reads the package (extern), put an empty shell in
its place (mock) or refuse (deny). `PackageImporter` runs the code of a package, apart from what
this process has imported: read only packages that you trust.
"""

from __future__ import annotations

from .analyze.is_from_package import is_from_package
from .file_structure_representation import Directory
from .glob_group import GlobGroup
from .importer import Importer, ObjMismatchError, ObjNotFoundError, OrderedImporter, sys_importer
from .package_exporter import EmptyMatchError, PackageExporter, PackagingError
from .package_importer import PackageImporter

__all__ = [
    "Directory", "EmptyMatchError", "GlobGroup", "Importer", "ObjMismatchError",
    "ObjNotFoundError", "OrderedImporter", "PackageExporter", "PackageImporter", "PackagingError",
    "is_from_package", "sys_importer",
]  # fmt: skip
