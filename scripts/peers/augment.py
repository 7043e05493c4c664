"""Decoding JPEG files and making training views of them with torchvision and Pillow, on one core.

usage: augment.py FOLDER [SECONDS]     times the .jpg files of FOLDER, each recipe for SECONDS (default 3)
       augment.py --write FOLDER       puts two photographs of 500 x 375 pixels there (scikit-learn's samples)
"""
import io
import json
import pathlib
import random
import sys
import time

from PIL import Image, ImageFilter, ImageOps


def write(folder):
    import sklearn

    photographs = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
    for number, path in enumerate(sorted(photographs.glob("*.jpg"))):
        small = Image.open(path).convert("RGB").resize((500, 375), Image.BICUBIC)
        small.save(folder / f"{number}.jpg", quality=90)


def recipes():
    from torchvision import transforms as T

    bilinear, bicubic = T.InterpolationMode.BILINEAR, T.InterpolationMode.BICUBIC
    mean, std, swav_std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (0.228, 0.224, 0.225)

    def blur(image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))

    def view(size, scale, filter, strengths, blur_chance, solarize_chance, std):
        return T.Compose([
            T.RandomResizedCrop(size, scale=scale, interpolation=filter),
            T.RandomHorizontalFlip(),
            T.RandomApply([T.ColorJitter(*strengths)], p=0.8),
            T.RandomGrayscale(p=0.2),
            T.RandomApply([T.Lambda(blur)], p=blur_chance),
            T.RandomApply([T.Lambda(ImageOps.solarize)], p=solarize_chance),
            T.ToTensor(),
            T.Normalize(mean, std),
        ])

    weak, strong = (0.4, 0.4, 0.2, 0.1), (0.8, 0.8, 0.8, 0.2)
    return {
        "vicreg": [view(224, (0.08, 1), bicubic, weak, 1.0, 0.0, std), view(224, (0.08, 1), bicubic, weak, 0.1, 0.2, std)],
        "swav": [view(224, (0.14, 1), bilinear, strong, 0.5, 0.0, swav_std)] * 2
        + [view(96, (0.05, 0.14), bilinear, strong, 0.5, 0.0, swav_std)] * 6,
        "probe": [T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(mean, swav_std)])],
    }


def measure(folder, seconds):
    import torch

    torch.set_num_threads(1)
    files = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    for name, views in recipes().items():

        def run(count):
            start = time.perf_counter()
            for number in range(count):
                image = Image.open(io.BytesIO(files[number % len(files)])).convert("RGB")
                for view in views:
                    view(image)
            return time.perf_counter() - start

        count = max(1, int(10 * seconds / run(10)))
        print(json.dumps({"case": name, "images_per_s": count / run(count)}), flush=True)


if sys.argv[1] == "--write":
    write(pathlib.Path(sys.argv[2]))
else:
    measure(pathlib.Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 3.0)
