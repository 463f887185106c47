"""Folders tell the generator, the class and the split, as each benchmark lays them out."""

import pytest

from etl.errors import ConfigError
from etl.images import settings
from etl.images.sources import LAYOUTS, LaidOut, Layout


def placed(tmp_path, layout, *files):
    """Return what the layout says of each file: class, generator or data set, pairs, split; or the code."""
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    said = {}
    for entry in LaidOut(str(tmp_path), "set", layout).entries():
        maker = entry.get("generator_id") or entry.get("real_source")
        said[entry["key"]] = entry.get("code") or (entry["label"], maker, entry.get("pairs"), entry["split"])
    return said


def test_the_reference_trainer(tmp_path):
    assert placed(tmp_path, LAYOUTS["reference"], "ProGAN/real/a.png", "ProGAN/fake/b.PNG") == {
        "ProGAN/real/a.png": (0, "set", ["imported:ProGAN"], None),
        "ProGAN/fake/b.PNG": (1, "imported:ProGAN", None, None),
    }


def test_genimage(tmp_path):
    files = (
        "Midjourney/imagenet_midjourney/train/ai/1.png",
        "ADM/val/nature/2.JPEG",
        "BigGAN/imagenet_ai/val/ai/3.png",
    )
    assert placed(tmp_path, LAYOUTS["genimage"], *files) == {
        files[0]: (1, "imported:Midjourney", None, "train"),
        files[1]: (0, "ImageNet", ["imported:ADM"], "val"),
        files[2]: (1, "imported:BigGAN", None, "val"),
    }


def test_forensynths_with_and_without_classes_of_things(tmp_path):
    assert placed(tmp_path, LAYOUTS["forensynths"], "progan/airplane/0_real/a.png", "biggan/1_fake/b.png") == {
        "progan/airplane/0_real/a.png": (0, "set", ["imported:progan"], None),
        "biggan/1_fake/b.png": (1, "imported:biggan", None, None),
    }


def test_universal_fake_detect_where_reals_serve_for_several_generators(tmp_path):
    said = placed(
        tmp_path,
        LAYOUTS["universal-fake-detect"],
        "laion/0_real/a.png",
        "imagenet/0_real/b.png",
        "dalle/1_fake/c.png",
        "progan/0_real/d.png",
    )
    assert said["laion/0_real/a.png"][:2] == (0, "laion") and len(said["laion/0_real/a.png"][2]) == 7
    assert said["imagenet/0_real/b.png"] == (0, "imagenet", ["imported:guided"], None)
    assert said["dalle/1_fake/c.png"] == (1, "imported:dalle", None, None)
    assert said["progan/0_real/d.png"] == (0, "set", ["imported:progan"], None)


def test_synthbuster(tmp_path):
    assert placed(tmp_path, LAYOUTS["synthbuster"], "dalle3/r0001.png", "RAISE-1k/r0002.png") == {
        "dalle3/r0001.png": (1, "imported:dalle3", None, None),
        "RAISE-1k/r0002.png": (0, "RAISE", None, None),
    }


def test_a_pattern_of_ones_own(tmp_path):
    layout = Layout("images/{class}/{split}/{source}/{generator}-*.png")
    said = placed(tmp_path, layout, "images/real/test/COCO/x-1.png", "images/fake/test/COCO/x-2.png")
    assert said["images/real/test/COCO/x-1.png"] == (0, "COCO", ["imported:x"], "test")
    assert said["images/fake/test/COCO/x-2.png"][:2] == (1, "imported:x")


def test_a_name_may_hold_a_line_end(tmp_path):
    files = ("a\nb/c\nd.png", "RAISE/e\nf.png")
    assert placed(tmp_path, LAYOUTS["synthbuster"], *files) == {
        files[0]: (1, "imported:a\nb", None, None),
        files[1]: (0, "RAISE", None, None),
    }


@pytest.mark.parametrize("file", ["a.png", "x/a.png", "x/fakes of 2024/a.png", "x/real/deeper/a.png"])
def test_a_place_that_tells_no_class_is_refused(tmp_path, file):
    assert placed(tmp_path, LAYOUTS["reference"], file) == {file: "UNLABELLED"}


def test_a_pattern_with_another_field_is_a_wrong_configuration(tmp_path):
    with pytest.raises(ConfigError, match=r"--pattern knows .* not \{model\}"):
        placed(tmp_path, Layout("{model}/*"), "a/b.png")


def test_a_special_character_of_expressions_stands_for_itself(tmp_path):
    assert placed(tmp_path, Layout("(a+b)/{generator}/*"), "(a+b)/x/1.png", "aab/x/2.png") == {
        "(a+b)/x/1.png": (1, "imported:x", None, None),
        "aab/x/2.png": "UNLABELLED",
    }


def test_the_settings_know_every_layout_by_name():
    assert tuple(LAYOUTS) == settings.LAYOUTS
