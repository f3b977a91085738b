"""Small trees in the layouts of real datasets, and what datasets are to read from them."""

from __future__ import annotations

import itertools
import json
import zlib
from pathlib import Path
from struct import pack

import numpy as np
from PIL import Image


class Tree:
    """A folder, and writers of the formats that datasets come in."""

    def __init__(self, root):
        self.root = Path(root)
        self.random = np.random.default_rng(0)

    def path(self, name):
        found = self.root / name
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def text(self, name, content):
        self.path(name).write_text(content)

    def images(self, *names, grey=False):
        for name in names:
            pixels = self.random.integers(0, 256, (5, 6) if grey else (5, 6, 3), np.uint8)
            Image.fromarray(pixels).save(self.path(name))

    def matlab(self, name, **variables):
        from scipy.io import savemat

        savemat(self.path(name), variables)

    def wide_png(self, name, channels):
        """A PNG of 16 bits; the third channel, which says what is known, is 0 or 1."""
        pixels = self.random.integers(0, 65536, (5, 6, channels)).astype(">u2")
        if channels == 3:
            pixels[..., 2] = pixels[..., 2] > 30000
        lines = b"".join(b"\0" + row.tobytes() for row in pixels)
        self.path(name).write_bytes(png(6, 5, {1: 0, 3: 2}[channels], zlib.compress(lines)))

    def flo(self, name):
        values = self.random.standard_normal((5, 6, 2)).astype("<f4")
        self.path(name).write_bytes(b"PIEH" + pack("<ii", 6, 5) + values.tobytes())

    def pfm(self, name, channels=1, order="<"):
        values = self.random.standard_normal((5, 6, channels)).astype(order + "f4")
        kind, scale = b"PF" if channels == 3 else b"Pf", b"-1.0" if order == "<" else b"1.0"
        self.path(name).write_bytes(kind + b"\n6 5\n" + scale + b"\n" + values.tobytes())


def png(width, height, kind, data, interlaced=0, more=b""):
    """A PNG file of 16 bits, around compressed lines."""

    def chunk(name, content):
        return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(name + content))

    head = pack(">IIBBBBB", width, height, 16, kind, 0, 0, interlaced)
    parts = chunk(b"IHDR", head) + more + chunk(b"IDAT", data[:40]) + chunk(b"IDAT", data[40:])
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


# -- one class of images a folder, or a list ----------------------------------------------------


def caltech101(t):
    for name, count in (("Faces", 2), ("BACKGROUND_Google", 1), ("ant", 3)):
        folder = {"Faces": "Faces_2"}.get(name, name)
        for i in range(1, count + 1):
            t.images(f"caltech101/101_ObjectCategories/{name}/image_{i:04d}.jpg")
            outline = t.random.random((2, 4))
            t.matlab(f"caltech101/Annotations/{folder}/annotation_{i:04d}.mat", obj_contour=outline)


def clevr(t):
    for part in ("train", "test"):
        t.images(*(f"clevr/CLEVR_v1.0/images/{part}/CLEVR_{part}_{i}.png" for i in range(3)))
    scenes = [
        {"image_filename": f"CLEVR_train_{i}.png", "objects": [{}] * (i + 2)} for i in range(3)
    ]
    t.text("clevr/CLEVR_v1.0/scenes/CLEVR_train_scenes.json", json.dumps({"scenes": scenes}))


def imagenette(t):
    for folder in ("n01440764", "n03028079"):
        for part in ("train", "val"):
            t.images(f"imagenette2-160/{part}/{folder}/1.JPEG")


def inaturalist(t):
    ranks = "Animalia_Annelida_{}_O_F_G_s"
    for i, rank in enumerate(("Clitellata", "Polychaeta", "Clitellata")):
        t.images(f"2021_valid/0000{i}_{ranks.format(rank)}/x.jpg")
    t.images(*(f"2019/{folder}/x.jpg" for folder in ("Aves/2", "Aves/0", "Plantae/1")))
    t.images(*(f"2017/{folder}/x.jpg" for folder in ("Aves/b", "Aves/a", "Plantae/c")))


def places365(t):
    t.text("categories_places365.txt", "/a/airfield 0\n/b/bar 2\n/a/alley 1\n")
    t.text("places365_train_standard.txt", "/a/airfield/1.jpg 0\n/b/bar/2.jpg 2\n")
    t.text("places365_test.txt", "Places365_test_1.jpg\n")
    t.images("data_256_standard/a/airfield/1.jpg", "data_256_standard/b/bar/2.jpg")
    t.images("test_256/Places365_test_1.jpg")


def stanford_cars(t):
    t.images("stanford_cars/cars_train/1.jpg", "stanford_cars/cars_train/2.jpg")
    kinds = [("class", object), ("fname", object)]
    rows = np.array([(2, "1.jpg"), (1, "2.jpg")], kinds)
    t.matlab("stanford_cars/devkit/cars_train_annos.mat", annotations=rows)
    names = np.array(["AM General Hummer", "Acura"], object)
    t.matlab("stanford_cars/devkit/cars_meta.mat", class_names=names)


def sun397(t):
    t.text("SUN397/ClassName.txt", "/a/abbey\n/c/church/indoor\n/c/church/outdoor\n")
    t.images("SUN397/c/church/indoor/sun_b.jpg")


def omniglot(t):
    t.text("omniglot-py/images_evaluation.zip", "")
    t.images("omniglot-py/images_evaluation/Greek/character01/0001_01.png", grey=True)
    t.images("omniglot-py/images_evaluation/Greek/character01/0001_02.png", grey=True)


def fer2013(t):
    def rows(line):
        pixels = " ".join(map(str, t.random.integers(0, 256, 48 * 48)))
        parts = ("Training", "PublicTest", "PrivateTest", "Training")
        return "".join(line.format(i, part, pixels) for i, part in enumerate(parts))

    t.text("one/fer2013/fer2013.csv", "emotion,Usage,pixels\n" + rows("{0},{1},{2}\n"))
    t.text("two/fer2013/icml_face_data.csv", "emotion, Usage, pixels\n" + rows("{0},{1},{2}\n"))
    t.text("parts/fer2013/test.csv", "pixels\n" + rows("{2}\n"))


def moving_mnist(t):
    films = t.random.integers(0, 256, (20, 3, 8, 8), np.uint8)
    np.save(t.path("MovingMNIST/mnist_test_seq.npy"), films)


# -- faces, outlines and captions ---------------------------------------------------------------


def lfw(t):
    for name, count in (("Ann_A", 3), ("Bob_B", 2), ("Cy_C", 1)):
        t.images(*(f"lfw-py/lfw_funneled/{name}/{name}_{i:04d}.jpg" for i in range(1, count + 1)))
    t.text("lfw-py/lfw-funneled.tgz", "")
    t.text("lfw-py/lfw-names.txt", "Ann_A\t3\nBob_B\t2\nCy_C\t1\n")
    t.text("lfw-py/people.txt", "2\n2\nAnn_A\t3\nCy_C\t1\n1\nBob_B\t2\n")
    t.text("lfw-py/peopleDevTrain.txt", "1\nBob_B\t2\n")
    t.text("lfw-py/pairs.txt", "1\t1\nAnn_A\t1\t3\nAnn_A\t1\tBob_B\t2\n")
    t.text("lfw-py/pairsDevTest.txt", "1\nBob_B\t1\t2\nAnn_A\t2\tCy_C\t1\n")


def widerface(t):
    for part in ("train", "val", "test"):
        t.images(f"widerface/WIDER_{part}/images/0--Parade/a.jpg")
        t.images(f"widerface/WIDER_{part}/images/0--Parade/b.jpg")
    name = "widerface/wider_face_split/wider_face_{}"
    faces = "1 2 3 4 5 6 7 8 9 10 \n11 12 13 14 0 1 0 1 0 1 \n"
    rows = f"0--Parade/a.jpg\n2\n{faces}0--Parade/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    t.text(name.format("train_bbx_gt.txt"), rows)
    t.text(name.format("test_filelist.txt"), "0--Parade/b.jpg\n0--Parade/a.jpg\n")


def cityscapes(t):
    for mode, part in (("gtFine", "train"), ("gtCoarse", "train_extra")):
        start = "bochum/bochum_000000_000019"
        t.images(f"leftImg8bit/{part}/{start}_leftImg8bit.png")
        t.images(f"{mode}/{part}/{start}_{mode}_labelIds.png", grey=True)
        numbers = t.random.choice([7, 11, 26], (5, 6)).astype(np.uint8)
        Image.fromarray(numbers).save(t.path(f"{mode}/{part}/{start}_{mode}_instanceIds.png"))
        t.images(f"{mode}/{part}/{start}_{mode}_color.png")
        t.text(f"{mode}/{part}/{start}_{mode}_polygons.json", '{"objects": []}')


def kitti(t):
    t.images("Kitti/raw/training/image_2/000000.png", "Kitti/raw/testing/image_2/000000.png")
    car = "Car 0.50 0 -1.58 1 2 5 4 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    t.text("Kitti/raw/training/label_2/000000.txt", car + car.replace("Car", "Tram"))


def sbd(t):
    from scipy.sparse import csc_matrix

    t.images("sbd/img/1.jpg")
    outlines = np.empty((20, 1), object)
    for i in range(20):
        outlines[i, 0] = csc_matrix(t.random.integers(0, 2, (5, 6), np.uint8))
    kinds = t.random.integers(0, 20, (5, 6), np.uint8)
    t.matlab("sbd/cls/1.mat", GTcls={"Segmentation": kinds, "Boundaries": outlines})
    t.text("sbd/train.txt", "1\n")


def sbu(t):
    t.text("sbu/SBUCaptionedPhotoDataset.tar.gz", "")
    t.images("sbu/dataset/2.jpg")
    name = "sbu/dataset/SBU_captioned_photo_dataset_{}.txt"
    t.text(name.format("urls"), "http://a/1.jpg\nhttp://a/2.jpg\n")
    t.text(name.format("captions"), "one\ntwo \n")


def flickr(t):
    t.images("flickr/1001_a.jpg", "flickr/1002_b.jpg")
    cell = '<tr><td><a href="x">http://f/{}/</a><ul><li>{}\n</li><li>b</li></ul></td></tr>'
    lost = "<tr><td>Image Not Found<ul><li>c</li></ul></td></tr>"
    rows = cell.format(1002, "Two &amp; three") + lost + cell.format(1001, "a")
    t.text("flickr.html", f"<html><table>{rows}</table></html>")
    t.text("flickr.token", "1002_b.jpg#0\tTwo guys\n1002_b.jpg#1\tb\n1001_a.jpg#0\ta\n")


def phototour(t):
    pixels = t.random.integers(0, 256, (1024, 1024), np.uint8)
    Image.fromarray(pixels).save(t.path("tour/liberty/patches0000.bmp"))
    t.text("tour/liberty/info.txt", "".join(f"{i // 2} 0\n" for i in range(200)))
    t.text("tour/liberty/m50_100000_100000_0.txt", "0 0 0 1 0 0 0\n5 2 0 9 4 0 0\n")


# -- optical flow and stereo --------------------------------------------------------------------


def sintel(t):
    for part, look in itertools.product(("training", "test"), ("clean", "final")):
        t.images(*(f"Sintel/{part}/{look}/alley/frame_{i}.png" for i in range(3)))
    for i in range(2):
        t.flo(f"Sintel/training/flow/alley/frame_{i}.flo")
        for name in ("clean_left", "clean_right", "final_left", "final_right", "disparities"):
            t.images(f"Sintel/training/{name}/alley/frame_{i}.png")
        for name in ("occlusions", "outofframe"):
            mask = t.random.integers(0, 2, (5, 6), np.uint8) * 255
            Image.fromarray(mask).save(t.path(f"Sintel/training/{name}/alley/frame_{i}.png"))


def kitti_flow(t):
    for part in ("training", "testing"):
        t.images(*(f"KittiFlow/{part}/image_2/0_{i}.png" for i in (10, 11)))
    t.wide_png("KittiFlow/training/flow_occ/0_10.png", 3)


def flying_chairs(t):
    for i in range(3):
        t.images(*(f"FlyingChairs/data/0000{i}_img{k}.ppm" for k in (1, 2)))
        t.flo(f"FlyingChairs/data/0000{i}_flow.flo")
    t.text("FlyingChairs/FlyingChairs_train_val.txt", "1\n2\n1\n")


def flying_things(t):
    base = "FlyingThings3D"
    for side, i in itertools.product(("left", "right"), range(3)):
        t.images(f"{base}/frames_cleanpass/TRAIN/A/0000/{side}/{i}.png")
        t.images(f"{base}/frames_finalpass/TRAIN/A/0000/{side}/{i}.png")
        for way in ("into_future", "into_past"):
            t.pfm(f"{base}/optical_flow/TRAIN/A/0000/{way}/{side}/{i}.pfm", 3)


def hd1k(t):
    for i in range(3):
        t.images(f"hd1k/hd1k_input/image_2/000003_{i}.png")
        t.wide_png(f"hd1k/hd1k_flow_gt/flow_occ/000003_{i}.png", 3)
    t.images(*(f"hd1k/hd1k_challenge/image_2/000000_{i}.png" for i in (10, 11)))


def kitti_stereo(t):
    for part in ("training", "testing"):
        t.images(*(f"Kitti2012/{part}/colored_{i}/0_10.png" for i in (0, 1)))
        t.images(*(f"Kitti2015/{part}/image_{i}/0_10.png" for i in (2, 3)))
    for name in ("Kitti2012/training/disp_noc", "Kitti2015/training/disp_occ_0"):
        t.wide_png(f"{name}/0_10.png", 1)
    t.wide_png("Kitti2015/training/disp_occ_1/0_10.png", 1)


def carla(t):
    base = "carla-highres/trainingF/town/"
    t.images(base + "im0.png", base + "im1.png")
    t.pfm(base + "disp0GT.pfm")
    t.pfm(base + "disp1GT.pfm", order=">")


def middlebury(t):
    for name in ("train/Piano-perfect", "train/Piano-imperfect", "test/Plants"):
        views = ("im0", "im1", "im1E", "im1L")
        t.images(*(f"Middlebury2014/{name}/{view}.png" for view in views))
        t.pfm(f"Middlebury2014/{name}/disp0.pfm")
        t.pfm(f"Middlebury2014/{name}/disp1.pfm")


def crestereo(t):
    for name, side in itertools.product(
        ("tree", "shapenet", "reflective", "hole"), ("left", "right")
    ):
        t.images(f"CREStereo/{name}/1_{side}.jpg")
        t.images(f"CREStereo/{name}/1_{side}.disp.png", grey=True)


def falling_things(t):
    for folder, side in itertools.product(("single/box/k", "mixed/k"), ("left", "right")):
        t.images(f"FallingThings/{folder}/1.{side}.jpg")
        t.wide_png(f"FallingThings/{folder}/1.{side}.depth.png", 1)
        settings = {"camera_settings": [{"intrinsic_settings": {"fx": 768.16}}]}
        t.text(f"FallingThings/{folder}/_camera_settings.json", json.dumps(settings))


def scene_flow(t):
    depths = {"Monkaa": "a", "FlyingThings3D": "TRAIN/A/0000", "Driving": "15mm/ahead/fast"}
    for (name, scene), side in itertools.product(depths.items(), ("left", "right")):
        for look in ("clean", "final"):
            t.images(f"SceneFlow/{name}/frames_{look}pass/{scene}/{side}/1.png")
        t.pfm(f"SceneFlow/{name}/disparity/{scene}/{side}/1.pfm")


def instereo(t):
    for side in ("left", "right"):
        t.images(f"InStereo2k/train/room/{side}.png")
        t.wide_png(f"InStereo2k/train/room/{side}_disp.png", 1)


def eth3d(t):
    for part in ("training", "test"):
        t.images(*(f"ETH3D/two_view_{part}/yard/im{i}.png" for i in (0, 1)))
    t.pfm("ETH3D/two_view_training_gt/yard/disp0GT.pfm")
    t.images("ETH3D/two_view_training_gt/yard/mask0nocc.png", grey=True)
