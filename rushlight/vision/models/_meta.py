"""What is known about published weights: addresses, categories, metrics (weights.json)."""

from __future__ import annotations

import functools
import json
import os
from typing import Any


@functools.lru_cache(1)
def _table() -> dict[str, Any]:
    path = os.path.join(os.path.dirname(__file__), "weights.json")
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    for members in table["weights"].values():
        for name, facts in members.items():
            if isinstance(facts, str):
                continue
            meta = facts["meta"]
            for key in ("categories", "keypoint_names"):
                if isinstance(meta.get(key), str):
                    meta[key] = table["names"][meta[key]]
            for key in ("min_size",):
                if isinstance(meta.get(key), list):
                    meta[key] = tuple(meta[key])
            meta["_docs"] = f"Published weights {name}, see {meta.get('recipe') or facts['url']}."
    return table


def weight_facts(name: str) -> dict[str, Any]:
    """The members of one enumeration: facts, or the name of the member they are another name of."""
    return _table()["weights"][name]


_IMAGENET_CATEGORIES = _table()["names"]["imagenet"]
_COCO_CATEGORIES = _table()["names"]["coco"]
_COCO_PERSON_CATEGORIES = _table()["names"]["coco_person"]
_COCO_PERSON_KEYPOINT_NAMES = _table()["names"]["coco_person_keypoints"]
_VOC_CATEGORIES = _table()["names"]["voc"]
_KINETICS400_CATEGORIES = _table()["names"]["kinetics400"]
