"""Small images of many kinds, and what Pillow makes of them: `Image.open(f).convert("RGB")`, as torchvision loads them.

python make.py ../source.png   (Pillow 13.0.0 with libjpeg-turbo 3.2.0, simplejpeg 1.9.0, numpy)
"""
import io, struct, sys, zlib
import numpy as np
import simplejpeg
from PIL import Image

photo = Image.open(sys.argv[1]).convert("RGB").crop((60, 50, 105, 87))
pixels = np.asarray(photo)


def keep(name, data):
    open(name, "wb").write(data)
    Image.open(io.BytesIO(data)).convert("RGB").save(name + ".png", optimize=True)


def save(name, image, **options):
    buffer = io.BytesIO()
    image.save(buffer, name.split(".")[1].replace("jpg", "jpeg"), **options)
    keep(name, buffer.getvalue())


def png(width, height, depth, kind, rows, extra=b"", interlaced=0):
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))
            + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


# JPEG: samplings, sizes that fill no block, tables, restart markers, colours.
for sampling in ("444", "422", "420", "440", "411"):
    keep(f"s{sampling}.jpg", simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), 90, colorsubsampling=sampling))
for width, height in ((1, 1), (2, 2), (3, 5), (4, 4), (5, 3), (6, 17), (33, 9)):
    save(f"size{width}x{height}.jpg", photo.crop((0, 0, width, height)), quality=90, subsampling=2)
    save(f"wide{width}x{height}.jpg", photo.crop((0, 0, width, height)), quality=90, subsampling=1)
save("grey.jpg", photo.convert("L"), quality=90)
save("low.jpg", photo, quality=8)
save("high.jpg", photo, quality=100)
save("optimised.jpg", photo, quality=80, optimize=True)
save("restart.jpg", photo, quality=90, restart_marker_blocks=2)
save("progressive.jpg", photo, quality=90, progressive=True)
save("cmyk.jpg", photo.convert("CMYK"), quality=90)
save("rgb.jpg", photo, quality=90, keep_rgb=True)
save("orientation.jpg", photo, quality=90, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
# Made by cjpeg or by hand, as their names say; see also scripts/make_jpeg_matrix.py.
for name in ("noninterleaved_420", "chroma_finer_than_luma", "cmyk_without_adobe", "rgb_adobe_transform0", "progressive_last_column"):
    keep(name + ".jpg", open(name + ".jpg", "rb").read())

# PNG: every kind of pixel, transparency, interlacing.
alpha = Image.fromarray(np.tile(np.arange(45, dtype=np.uint8) * 5, (37, 1)))
save("bit.png", photo.convert("1"))
for bits in (1, 2, 4, 8):
    save(f"palette{bits}.png", photo.quantize(2**bits), bits=bits)
save("palette-clear.png", photo.quantize(16), transparency=3)
save("grey.png", photo.convert("L"))
save("grey-alpha.png", Image.merge("LA", (photo.convert("L"), alpha)))
save("grey-clear.png", photo.convert("L"), transparency=100)
save("rgb.png", photo)
save("rgb-clear.png", photo, transparency=tuple(int(v) for v in pixels[3, 4]))
save("rgba.png", Image.merge("RGBA", (*photo.split(), alpha)))
wide = (pixels.astype(np.uint32) * 257 - 77 * (pixels > 0)).astype(">u2")
row = lambda image: b"".join(b"\0" + line.tobytes() for line in image)
keep("grey16.png", png(45, 37, 16, 0, row(wide[:, :, 0])))
keep("rgb16.png", png(45, 37, 16, 2, row(wide)))
keep("rgba16.png", png(45, 37, 16, 6, row(np.dstack([wide, wide[:, :, :1]]))))
keep("grey-alpha16.png", png(45, 37, 16, 4, row(wide[:, :, :2])))
adam7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
keep("interlaced.png", png(45, 37, 8, 2, b"".join(row(pixels[y::dy, x::dx]) for x, y, dx, dy in adam7), interlaced=1))

save("lossy.webp", photo, quality=90)
save("lossless.webp", photo, lossless=True)
save("alpha.webp", Image.merge("RGBA", (*photo.split(), alpha)), lossless=True, exact=True)
