"""UCF101: human actions."""

from __future__ import annotations

import os

from ._clips import FoldedClips, words


class UCF101(FoldedClips):
    """13,320 videos of 101 actions (Soomro et al., 2012): items (frames, sound, class).

    `annotation_path` is the folder of the lists, `fold` which of three to use. Needs PyAV.
    """

    def _select_fold(
        self, video_list: list[str], annotations_dir: str, fold: int, train: bool
    ) -> list[int]:
        name = f"{'train' if train else 'test'}list{fold:02d}.txt"
        rows = words(os.path.join(annotations_dir, name))
        chosen = {os.path.join(self.root, *row[0].split("/")) for row in rows}
        return [i for i, path in enumerate(video_list) if path in chosen]
