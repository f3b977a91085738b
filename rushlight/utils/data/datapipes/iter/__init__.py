"""Pipes over streams."""

from .combining import Concater, Demultiplexer, Forker, Multiplexer, Zipper
from .files import FileLister, FileOpener, StreamReader
from .grouping import Batcher, Grouper, UnBatcher
from .single import Collator, Filter, IterableWrapper, Mapper, Sampler, ShardingFilter, Shuffler

__all__ = [
    "Batcher",
    "Collator",
    "Concater",
    "Demultiplexer",
    "FileLister",
    "FileOpener",
    "Filter",
    "Forker",
    "Grouper",
    "IterableWrapper",
    "Mapper",
    "Multiplexer",
    "Sampler",
    "ShardingFilter",
    "Shuffler",
    "StreamReader",
    "UnBatcher",
    "Zipper",
]
