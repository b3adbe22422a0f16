"""One decoding for every kind of file that people have."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from study.dataset.images import IMAGE_SUFFIXES, file_digest, fit_image, read_image
from study.errors import DataError, SettingsError, UnreadableImage

GREY = np.arange(0, 240, 2, dtype=np.uint8).reshape(10, 12)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize(
    ("mode", "suffix", "tolerance"),
    [
        ("L", ".png", 0),
        ("L", ".bmp", 0),
        ("L", ".tif", 0),
        ("L", ".gif", 0),
        ("L", ".pgm", 0),
        ("LA", ".png", 0),
        ("P", ".png", 0),
        ("RGB", ".png", 0),
        ("RGB", ".webp", 8),
        ("RGB", ".jpg", 6),
        ("RGBA", ".png", 0),
        ("CMYK", ".tif", 0),
        ("CMYK", ".jpg", 6),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_pixels_are_the_same_in_every_mode(
    tmp_path: Path, mode: str, suffix: str, tolerance: int, channels: int
) -> None:
    grey = Image.fromarray(GREY)
    image = grey.convert("RGB").convert(mode) if mode == "CMYK" else grey.convert(mode)
    image.save(tmp_path / f"x{suffix}")
    read = read_image(tmp_path / f"x{suffix}", channels=channels)
    assert read.mode == ("L" if channels == 1 else "RGB")
    expected = GREY if channels == 1 else np.stack([GREY] * 3, axis=-1)
    assert np.abs(pixels(read) - expected).max() <= tolerance


def test_black_and_white_becomes_0_and_255(tmp_path: Path) -> None:
    Image.fromarray(GREY > 100).save(tmp_path / "x.png")
    assert set(np.unique(pixels(read_image(tmp_path / "x.png")))) == {0, 255}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("bits", "step"), [(8, 1), (12, 16), (16, 256)])
def test_sixteen_bit_files_keep_their_contrast(
    tmp_path: Path, suffix: str, bits: int, step: int
) -> None:
    """A scanner's 12 bits in a file of 16 are not shown nearly black."""
    values = GREY.astype(np.uint16) * step
    Image.fromarray(values).save(tmp_path / f"x{suffix}")
    read = pixels(read_image(tmp_path / f"x{suffix}"))
    assert np.abs(read - values * 255.0 / (2**bits - 1)).max() <= 0.5


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_float_files_hold_shares_or_grey_levels(tmp_path: Path, scale: float) -> None:
    Image.fromarray((GREY / 255 * scale).astype(np.float32)).save(tmp_path / "x.tif")
    assert np.abs(pixels(read_image(tmp_path / "x.tif")) - GREY).max() <= 1


def test_transparent_pixels_are_black(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (200, 200, 200, 0))
    image.putpixel((1, 0), (200, 200, 200, 255))
    image.save(tmp_path / "x.png")
    assert pixels(read_image(tmp_path / "x.png")).tolist() == [[0, 200]]


def test_transparent_palette_entries_are_black(tmp_path: Path) -> None:
    image = Image.fromarray(GREY).convert("P")
    image.info["transparency"] = int(np.asarray(image)[0, 5])
    image.save(tmp_path / "x.png", transparency=int(np.asarray(image)[0, 5]))
    read = pixels(read_image(tmp_path / "x.png"))
    assert read[0, 5] == 0
    assert read[0, 6] == GREY[0, 6]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(GREY).save(tmp_path / f"x{suffix}", exif=exif, quality=100)
    read = pixels(read_image(tmp_path / f"x{suffix}"))
    assert read.shape == (12, 10)
    assert np.abs(read - np.rot90(GREY, -1)).max() <= 3


def test_exif_orientation_is_applied_to_sixteen_bits(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "x.png", exif=exif)
    assert (pixels(read_image(tmp_path / "x.png")) == np.rot90(GREY, -1)).all()


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
def test_first_frame_of_an_animation_is_read(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("L", (8, 8), level) for level in (50, 250)]
    frames[0].save(tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:])
    assert abs(pixels(read_image(tmp_path / f"x{suffix}")).mean() - 50) < 3


def test_the_content_tells_the_format_not_the_suffix(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert (pixels(read_image(tmp_path / "x.jpg")) == GREY).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp", ".gif"])
def test_a_truncated_file_is_unreadable(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (90, 120), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableImage, match=r"truncated|damaged|cannot be read") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_other_unreadable_files_say_why(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not an image\n" * 20)
    (tmp_path / "page.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for name, cause in (
        ("empty", "the file is empty"),
        ("text", "not an image"),
        ("page", "not an image"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
        ("missing", "No such file"),
    ):
        with pytest.raises(UnreadableImage, match=cause) as caught:
            read_image(tmp_path / f"{name}.png")
        assert "\n" not in str(caught.value)
        assert f"{name}.png: " in str(caught.value)


def test_an_image_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (10_000, 6_000)).save(tmp_path / "x.png")
    with pytest.raises(UnreadableImage, match=r"10000 x 6000 pixels; at most 50,000,000"):
        read_image(tmp_path / "x.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(UnreadableImage, match="too large"):
        read_image(tmp_path / "bomb.png")


def test_unreadable_image_is_a_data_error_that_processes_can_pass_on() -> None:
    error = UnreadableImage("a.png", "the file is empty")
    assert isinstance(error, DataError)
    assert str(pickle.loads(pickle.dumps(error))) == "a.png: the file is empty"


def test_file_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x").startswith("ba7816bf8f01cfea")
    with pytest.raises(UnreadableImage, match="No such file"):
        file_digest(tmp_path / "y")


@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    target=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    fit=st.sampled_from(["stretch", "pad", "crop"]),
    resize_filter=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos", "box"]),
    mode=st.sampled_from(["L", "RGB"]),
)
def test_every_fit_gives_the_size_that_was_asked_for(
    size: tuple[int, int], target: tuple[int, int], fit: str, resize_filter: str, mode: str
) -> None:
    width, height = target
    image = Image.new(mode, size, 90 if mode == "L" else (90, 90, 90))
    fitted = fit_image(image, width=width, height=height, resize_filter=resize_filter, fit=fit)
    assert fitted.shape == (height, width, 1 if mode == "L" else 3)
    assert fitted.dtype == np.uint8
    assert set(np.unique(fitted)) <= ({0, 90} if fit == "pad" else {90})


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_an_image_of_the_right_size_is_not_touched(fit: str) -> None:
    fitted = fit_image(Image.fromarray(GREY), width=12, height=10, fit=fit)
    assert (fitted[..., 0] == GREY).all()


def test_pad_and_crop_keep_the_aspect_ratio_and_the_centre() -> None:
    image = Image.new("L", (40, 20), 0)
    image.paste(255, (10, 0, 30, 20))  # a square in the middle
    padded = fit_image(image, width=20, height=20, fit="pad", resize_filter="box")[..., 0]
    assert (padded[:5] == 0).all()
    assert (padded[5:15, 5:15] == 255).all()
    assert padded.sum() == 255 * 100
    assert (fit_image(image, width=20, height=20, fit="crop") == 255).all()


def test_unknown_filter_and_fit_are_named_with_the_near_miss() -> None:
    image = Image.new("L", (4, 4))
    with pytest.raises(SettingsError, match=r"'bilinaer' \(did you mean 'bilinear'\?\); allowed"):
        fit_image(image, width=4, height=4, resize_filter="bilinaer")
    with pytest.raises(SettingsError, match="fit: found 'squash'; allowed: stretch, pad, crop"):
        fit_image(image, width=4, height=4, fit="squash")


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in IMAGE_SUFFIXES)
