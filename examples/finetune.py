"""Transfer learning: a frozen resnet18 sees, and only a new last layer learns what it looks at.

    python examples/finetune.py                       ImageNet's weights (45 MB, downloaded once)
    python examples/finetune.py --weights none        random weights: even those see something
    python examples/finetune.py --images FOLDER       a folder of images for each kind

Without --images it learns the shipped digits. Change the imports of rushlight to torch's and
torchvision's and the weights come from the same file.
"""

from __future__ import annotations

import argparse

from shared import curves, progress

import rushlight as torch
from rushlight import vision
from rushlight.data import digits

nn, F = torch.nn, torch.nn.functional
transforms = vision.transforms
# What ImageNet's images were brought to.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def digit_images(size: int):
    """The shipped digits as colour images (n, 3, size, size), and their kinds."""
    shape, pixels, labels = digits()
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(shape[0], 1, *shape[1:])
    images = F.interpolate(images / 16, size=size, mode="bilinear").expand(-1, 3, -1, -1)
    kinds = torch.tensor(list(labels))
    normal = transforms.Normalize(MEAN, DEVIATION)
    return torch.utils.data.TensorDataset(normal(images), kinds), [str(d) for d in range(10)]


def folder_images(folder: str, size: int):
    """Images of a folder with a folder for each kind."""
    seen = transforms.Compose(
        [
            transforms.Resize(size),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )
    dataset = vision.datasets.ImageFolder(folder, seen)
    return dataset, dataset.classes


def frozen_resnet(weights: str, kinds: int):
    """resnet18 that learns nothing but a new last layer."""
    model = vision.models.resnet18(weights=None if weights in ("none", "") else weights)
    model.requires_grad_(False)
    model.fc = nn.Linear(model.fc.in_features, kinds)  # new parameters do require gradients
    return model


@torch.no_grad()
def features(model, dataset):
    """What the frozen part makes of every image, once: (n, 512), and the kinds (n)."""
    model.eval()
    head, model.fc = model.fc, nn.Identity()
    loader = torch.utils.data.DataLoader(dataset, batch_size=64)
    seen = [(model(images), kinds) for images, kinds in progress(loader, "looking")]
    model.fc = head
    return tuple(torch.cat(part) for part in zip(*seen, strict=True))


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="DEFAULT", help="of torchvision's resnet18; or none")
    parser.add_argument("--images", metavar="FOLDER", help="learn these instead of the digits")
    parser.add_argument("--size", type=int, default=64, help="pixels along each edge")
    parser.add_argument("--limit", type=int, default=1797, help="use so many images at most")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FILE", help="where to keep the whole network's weights")
    parser.add_argument("--plot", metavar="FILE", help="where to draw the shares recognised")
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    load = folder_images if args.images else lambda _, size: digit_images(size)
    dataset, kinds = load(args.images, args.size)
    chosen = torch.randperm(len(dataset))[: args.limit].tolist()
    model = frozen_resnet(args.weights, len(kinds))
    seen, wanted = features(model, torch.utils.data.Subset(dataset, chosen))
    cut = len(seen) * 4 // 5
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"{len(seen)} images of {len(kinds)} kinds; {trained:,} of "
          f"{sum(p.numel() for p in model.parameters()):,} parameters learn")  # fmt: skip
    optimizer = torch.optim.Adam(model.fc.parameters(), lr=args.lr)
    history = {"training": [], "held_out": []}
    for epoch in range(1, args.epochs + 1):
        for batch in torch.randperm(cut).split(64):
            loss = F.cross_entropy(model.fc(seen[batch]), wanted[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            right = (model.fc(seen).argmax(1) == wanted).float()
        history["training"].append(right[:cut].mean().item())
        history["held_out"].append(right[cut:].mean().item())
        if epoch == 1 or epoch % max(1, args.epochs // 5) == 0:
            print(f"epoch {epoch:>3}  loss {loss.item():.4f}  training {right[:cut].mean():.2%}  "
                  f"held out {right[cut:].mean():.2%}", flush=True)  # fmt: skip
    curves(args.plot, "epoch", **history)
    if args.save:
        torch.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
