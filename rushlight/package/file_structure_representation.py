"""The files of a package as a tree."""

from __future__ import annotations

from .glob_group import GlobGroup, GlobPattern


class Directory:
    """A file or folder of a package; `str` of it draws the tree."""

    def __init__(self, name: str, is_dir: bool):
        self.name = name
        self.is_dir = is_dir
        self.children: dict[str, Directory] = {}

    def _add_file(self, path: str) -> None:
        folder = self
        *folders, name = path.split("/")
        for part in folders:
            folder = folder.children.setdefault(part, Directory(part, True))
        folder.children[name] = Directory(name, False)

    def has_file(self, filename: str) -> bool:
        """Whether there is a file at a path."""
        place: Directory | None = self
        for part in filename.split("/"):
            place = place.children.get(part) if place is not None else None
        return place is not None and not place.is_dir

    def __str__(self) -> str:
        lines: list[str] = []
        self._draw(lines, "─── ", "    ")
        return "\n".join(lines) + "\n"

    def _draw(self, lines: list[str], head: str, below: str) -> None:
        lines.append(head + self.name)
        folders = [c for c in self.children.values() if c.is_dir]
        files = [c for c in self.children.values() if not c.is_dir]
        ordered = sorted(folders, key=lambda c: c.name) + sorted(files, key=lambda c: c.name)
        for child in ordered:
            last = child is ordered[-1]
            tail = below + ("    " if last else "│   ")
            child._draw(lines, below + ("└── " if last else "├── "), tail)


def directory_of(
    name: str, files: list[str], include: GlobPattern = "**", exclude: GlobPattern = ()
) -> Directory:
    """The tree of those files that the patterns mean."""
    wanted = GlobGroup(include, exclude=exclude, separator="/")
    tree = Directory(name, True)
    for path in files:
        if wanted.matches(path):
            tree._add_file(path)
    return tree
