"""Every configuration file that ships loads into the settings of its verb."""

from pathlib import Path

import pytest
import yaml

from etl.cli import VERBS, job
from etl.errors import ConfigError

CONF = Path(__file__).parent.parent / "conf"
FILES = sorted(set(CONF.glob("*.yaml")) - {CONF / "policy.yaml"})  # which is tested with the catalogue


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_configuration_loads_and_shows_its_values(path, capsys):
    with pytest.raises(SystemExit) as end:
        job(path.stem)(["--config", str(path), "--print-config"])
    assert end.value.code == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown.items() >= yaml.safe_load(path.read_text(encoding="utf-8")).items()


@pytest.mark.parametrize("path", sorted((CONF / "training_sets").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_loads_under_its_own_name(path, capsys):
    with pytest.raises(SystemExit) as end:
        job("build-training-set")(["--config", str(path), "--print-config"])
    assert end.value.code == 0
    assert yaml.safe_load(capsys.readouterr().out)["name"] == path.stem


@pytest.mark.parametrize("path", sorted((CONF / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_experiment_is_sound_under_its_own_name(path):
    from etl.config import parse
    from training.experiments.settings import ExperimentSettings

    settings = parse(ExperimentSettings, ["--config", str(path)], "forensics experiment", "")
    assert settings.name == path.stem
    assert settings.design.effects and all(effect.minimum >= 0 for effect in settings.design.effects.values())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_configuration_file_and_refuses_a_misspelt_key(verb, tmp_path):
    assert (CONF / f"{verb}.yaml").exists()
    misspelt = tmp_path / "wrong.yaml"
    misspelt.write_text("rooot: lake\n")
    with pytest.raises(ConfigError, match=r"unknown key 'rooot' \(did you mean 'root'\?\)"):
        job(verb)(["--config", str(misspelt)])
