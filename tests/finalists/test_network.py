"""The winner's final network, also where its file is gone; real workers and tiny networks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.dataset.arrays import load_part
from study.dataset.manifest import Manifest
from study.errors import LedgerError
from study.evaluation.final import REFIT, SEARCH, final_model
from study.evaluation.retest import retest
from study.finalists import network as network_module
from study.finalists.tasks import STAGE, planned_tasks
from study.ledger import Ledger, read_study
from study.search import kept_models as kept_models_module
from study.search.kept_models import drop_models
from study.summary import leader

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="starts and stops workers"),
    # Keras' own code calls NumPy in a way that NumPy 2 warns of.
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
]

Make = Callable[[], Any]


def best_of(study: Any) -> int:
    best = leader(read_study(study.folder.path))
    assert best is not None
    return best.number


def probabilities(study: Any, path: Path) -> Any:
    """Return what a network says of the plain validation images."""
    from study.model.load import load_network
    from study.training.callbacks import predict

    record = read_study(study.folder.path)
    manifest = Manifest.read(study.folder.manifest)
    images = load_part(manifest, study.images, "validation", record.protocol).images
    return predict(load_network(path), images)


def kinds(study: Any) -> list[str]:
    """Return the kinds of all trainings that were planned after the search."""
    ledger = Ledger.open(study.folder.path)
    found = [task.kind for task in planned_tasks(ledger.stage(STAGE))]
    ledger.close()
    return found


def test_a_network_that_the_search_no_longer_has_is_trained_once_more(make_searched: Make) -> None:
    """From the trial's own seeds, for as long; its predictions come with it, and it is said."""
    study = make_searched()
    number = best_of(study)
    path, folder = study.folder.model(number), study.folder.trial(number)
    before, history = probabilities(study, path), (folder / "history.csv").read_bytes()
    counts = (folder / "validation_counts.npz").read_bytes()
    path.unlink()
    with pytest.raises(LedgerError, match=r"is missing; repeat the study's own line, which trains"):
        final_model(study.folder, read_study(study.folder.path))
    final = study.conclude(finalists=0)
    assert kinds(study) == ["checkpoint"]
    np.testing.assert_allclose(probabilities(study, path), before, atol=1e-3)
    with np.load(folder / "validation_predictions.npz") as stored:
        np.testing.assert_allclose(stored["probability"], probabilities(study, path), atol=1e-6)
    assert (folder / "history.csv").read_bytes() == history
    assert (folder / "validation_counts.npz").read_bytes() == counts
    assert f"the network of trial {number}; it was trained once more" in final["notes"][1]
    score = next(t for t in read_study(study.folder.path).trials if t.number == number)
    assert f"{score.validation_f_med:.4f}" in final["notes"][1]
    model = final_model(study.folder, read_study(study.folder.path))
    assert (model.origin, model.digest) == (SEARCH, final["model_digest"])
    trained = list(study.trained)
    assert study.conclude(finalists=0)["notes"] == final["notes"]
    assert study.trained == trained
    whole = path.read_bytes()
    path.unlink()
    second = study.conclude(finalists=0)
    assert second["notes"] == final["notes"]
    assert kinds(study) == ["checkpoint"] * 2
    assert second["model_digest"] != final["model_digest"]
    path.write_bytes(whole)  # somebody had a copy
    assert final_model(study.folder, read_study(study.folder.path)).digest == model.digest
    assert study.conclude(finalists=0)["model_digest"] == final["model_digest"]
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(LedgerError, match="not the network that the study made"):
        study.conclude(finalists=0)
    with pytest.raises(LedgerError, match="not the network that the study made"):
        final_model(study.folder, read_study(study.folder.path))


def test_a_search_that_goes_on_keeps_the_named_winners_network(
    make_searched: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far down the ranking it stands: else it would be trained again after every run."""
    study = make_searched()
    final = study.conclude(finalists=0)
    monkeypatch.setattr(kept_models_module, "MODELS_KEPT", 0)
    monkeypatch.setattr(kept_models_module, "BANDS_PER_OCTAVE", 0)
    drop_models(study.folder, read_study(study.folder.path))
    assert study.folder.model(final["winner"]).is_file()
    left = [path.parent.name for path in study.folder.path.glob("trials/*/model.keras")]
    assert set(left) <= {"0", str(final["winner"])}


def test_the_winner_of_the_folds_gets_its_network_back_where_no_refit_learns(
    make_searched: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then as with ``--refit no`` the search's own is taken, and retested."""
    study = make_searched()
    for path in study.folder.path.glob("trials/*/model.keras"):
        path.unlink()
    monkeypatch.setattr(network_module, "REFIT_MARGIN", -2.0)  # more than any network can reach
    final = study.conclude(finalists=1, folds=3)
    assert final["refit"]["model"] is None
    assert len(final["refit"]["attempts"]) == 3
    assert kinds(study)[-4:] == ["refit", "refit", "refit", "checkpoint"]
    assert final["model"] == f"trials/{final['winner']}/model.keras"
    assert any("trained once more" in note for note in final["notes"])
    cost = final["notes"][-1]
    assert "more seeds for the final network took" in cost
    assert "training the search's own network of the winner once more took" in cost
    plain = study.conclude(finalists=1, folds=3, refit=False)
    assert plain["model_digest"] == final["model_digest"]
    ledger = Ledger.open(study.folder.path)
    answer = retest(study.folder, ledger)
    ledger.close()
    assert answer is not None
    assert (answer["origin"], answer["model_digest"]) == (SEARCH, final["model_digest"])


def test_a_final_network_that_was_removed_is_trained_again_from_its_seed(
    make_searched: Make,
) -> None:
    study = make_searched()
    final = study.conclude(finalists=1, folds=3)
    path = study.folder.path / final["model"]
    before = probabilities(study, path)
    path.unlink()
    found = study.conclude(finalists=1, folds=3)
    assert found["model"] == final["model"]
    assert found["refit"] == final["refit"]
    np.testing.assert_allclose(probabilities(study, path), before, atol=1e-3)
    model = final_model(study.folder, read_study(study.folder.path))
    assert (model.origin, model.digest) == (REFIT, found["model_digest"])
