"""HMDB51: human motions."""

from __future__ import annotations

import os
from glob import glob

from ._clips import FoldedClips, words


class HMDB51(FoldedClips):
    """6,766 videos of 51 motions (Kuehne et al., 2011): items (frames, sound, class).

    `annotation_path` is the folder of the lists, `fold` which of three to use. Needs PyAV.
    """

    data_url = "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar"
    splits = {
        "url": "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/test_train_splits.rar",
        "md5": "15e67781e70dcfbdce2d7dbb9b3344b5",
    }
    TRAIN_TAG = 1
    TEST_TAG = 2

    def _select_fold(
        self, video_list: list[str], annotations_dir: str, fold: int, train: bool
    ) -> list[int]:
        tag = self.TRAIN_TAG if train else self.TEST_TAG
        lists = glob(os.path.join(annotations_dir, f"*test_split{fold}.txt"))
        chosen = {name for path in lists for name, mark in words(path) if int(mark) == tag}
        return [i for i, path in enumerate(video_list) if os.path.basename(path) in chosen]
