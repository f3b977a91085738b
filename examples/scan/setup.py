"""Builds the module scan_cpp: python setup.py build_ext --inplace."""

from setuptools import setup

from rushlight.utils.cpp_extension import BuildExtension, CppExtension

setup(
    name="scan_cpp",
    ext_modules=[CppExtension("scan_cpp", ["scan.cpp"])],
    cmdclass={"build_ext": BuildExtension},
)
