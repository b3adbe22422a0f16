"""The sampler: the first trials are fixed, the others lie in the space and can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import TrialState

from study.errors import TrialError
from study.ledger import Ledger
from study.model.capacity import capacity
from study.protocol import Protocol
from study.search import sampler
from study.search.sampler import MOST_DUPLICATES, Suggestion, ask
from study.search.strategy import search_settings
from study.space import Space, find_space, parse_space
from study.variant import REFERENCE, REFERENCE_SGD, Variant

PROTOCOL = Protocol()
SEARCH = search_settings()
STARTUP_TRIALS = SEARCH["sampler"]["n_startup_trials"]
SEED = 4
SPACE = """
question = "Small networks only?"
[parameters.filters]
type = "int"
low = 8
high = 80
step = 8
why = "w"
[parameters.learning_rate]
type = "float"
low = 1e-4
high = 3e-4
log = true
why = "w"
[parameters.pooling]
type = "choice"
choices = ["average"]
why = "w"
[fixed]
dense_width = 32
padding = "same"
[constraints]
max_macs_ratio = {ratio}
"""

MakeLedger = Callable[[], Ledger]


@pytest.fixture
def make_ledger(tmp_path: Path) -> Iterator[MakeLedger]:
    made: list[Ledger] = []

    def make() -> Ledger:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        setup: dict[str, Any] = dict.fromkeys(
            ("command", "requested", "space", "dataset", "split", "seed", "versions", "machine")
        )
        made.append(Ledger.create(folder, "it", {**setup, "protocol": PROTOCOL.as_dict()}))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


def small(ratio: float) -> Space:
    return parse_space(SPACE.format(ratio=ratio), name="small", where="small.toml")


def suggest(ledger: Ledger, ordinal: int, space: Space, seed: int = SEED) -> Suggestion:
    suggestion = ask(ledger, ordinal, space=space, protocol=PROTOCOL, search=SEARCH, seed=seed)
    assert suggestion is not None
    return suggestion


def describe(suggestion: Suggestion) -> None:
    suggestion.trial.set_user_attr("variant", suggestion.variant.as_dict())


def settle(ledger: Ledger, suggestion: Suggestion) -> Variant:
    """Tell a score that follows from the variant alone, and return the variant."""
    describe(suggestion)
    variant = suggestion.variant
    score = 1 - variant.dropout - abs(variant.filters - 40) / 100 - variant.learning_rate
    ledger.optuna_study.tell(suggestion.trial, score, state=TrialState.COMPLETE)
    return variant


def lies_in(variant: Variant, space: Space) -> bool:
    searched = all(item.contains(getattr(variant, item.name)) for item in space.parameters)
    return searched and all(getattr(variant, key) == value for key, value in space.fixed.items())


@pytest.mark.parametrize("space", [find_space("seed"), small(0.001)], ids=["seed", "small"])
def test_the_first_two_trials_are_the_articles_networks_whatever_the_space(
    make_ledger: MakeLedger, space: Space
) -> None:
    ledger = make_ledger()
    found = [settle(ledger, suggest(ledger, ordinal, space)) for ordinal in (0, 1)]
    assert found == [REFERENCE, REFERENCE_SGD]
    assert [variant.padding for variant in found] == ["valid", "valid"]
    record = ledger.read()
    assert record.infeasible == 0
    for trial in record.trials:
        held = {p.name for p in space.parameters if p.contains(trial.variant[p.name])}
        assert trial.params == {name: trial.variant[name] for name in held}


def test_suggestions_lie_in_the_space_and_below_its_limit(make_ledger: MakeLedger) -> None:
    ledger, space = make_ledger(), find_space("seed")
    assert space.max_macs_ratio is not None
    limit = space.max_macs_ratio * capacity(REFERENCE, PROTOCOL.image_shape).macs
    found = []
    for ordinal in range(STARTUP_TRIALS + 6):
        suggestion = suggest(ledger, ordinal, space)
        found.append(settle(ledger, suggestion))
        if ordinal > 1:
            assert lies_in(suggestion.variant, space), suggestion.variant
        assert suggestion.capacity == capacity(suggestion.variant, PROTOCOL.image_shape)
        assert suggestion.capacity.macs <= limit
    assert len({str(variant) for variant in found}) == len(found)


def test_networks_that_are_too_large_are_told_as_infeasible_and_do_not_count(
    make_ledger: MakeLedger,
) -> None:
    ledger, space = make_ledger(), small(0.1)
    limit = 0.1 * capacity(REFERENCE, PROTOCOL.image_shape).macs
    for ordinal in range(6):
        suggestion = suggest(ledger, ordinal, space)
        assert ordinal < 2 or suggestion.capacity.macs <= limit
        settle(ledger, suggestion)
    record = ledger.read()
    assert record.infeasible > 0
    assert [trial.number for trial in record.trials] == list(range(6))
    assert {(trial.state, trial.attempts) for trial in record.trials} == {("complete", 1)}
    turned_down = [t for t in ledger.optuna_study.get_trials() if t.user_attrs.get("infeasible")]
    assert len(turned_down) == record.infeasible == ledger.look().turned_down["infeasible"].total()
    for trial in turned_down:
        assert trial.state == TrialState.PRUNED
        assert trial.constraints["macs"] > 0
        macs = capacity(space.variant(trial.params), PROTOCOL.image_shape).macs
        assert trial.constraints["macs"] == pytest.approx(macs / limit - 1)


def test_networks_that_the_images_are_too_small_for_are_turned_down(
    make_ledger: MakeLedger,
) -> None:
    text = 'question = "q"\n[parameters.blocks]\ntype = "int"\nlow = 2\nhigh = 8\nwhy = "w"\n'
    ledger, space = make_ledger(), parse_space(text, name="deep", where="deep.toml")
    found = {settle(ledger, suggest(ledger, k, space)).blocks for k in range(2, 8)}
    assert found <= {2, 3}
    assert ledger.read().infeasible > 0


def test_a_space_without_a_network_that_is_small_enough_is_given_up(
    make_ledger: MakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "MOST_SUGGESTIONS", 4)
    ledger = make_ledger()
    with pytest.raises(TrialError, match="trial 2: 4 suggestions of space small"):
        ask(ledger, 2, space=small(1e-6), protocol=PROTOCOL, search=SEARCH, seed=SEED)
    assert not ledger.optuna_study.get_trials(states=(TrialState.RUNNING,))


@pytest.mark.parametrize("described", [True, False])
def test_a_trial_that_is_asked_for_again_gets_the_same_variant(
    make_ledger: MakeLedger, described: bool
) -> None:
    ledger, space = make_ledger(), find_space("seed")
    first = suggest(ledger, 5, space)
    if described:
        describe(first)
    ledger.drop(first.trial.number, "interrupted", "stopped")
    settle(ledger, suggest(ledger, 6, space))
    again = suggest(ledger, 5, space)
    assert again.variant == first.variant
    assert again.trial.params == first.trial.params
    assert ledger.read().trials[0].attempts == 2


def test_a_variant_that_was_begun_is_taken_up_although_others_have_ended_since(
    make_ledger: MakeLedger,
) -> None:
    """TPE would choose otherwise now: what counts is what was begun."""
    ledger, space = make_ledger(), find_space("seed")
    for ordinal in range(STARTUP_TRIALS):
        settle(ledger, suggest(ledger, ordinal, space))
    begun = suggest(ledger, 10, space)
    describe(begun)
    ledger.drop(begun.trial.number, "interrupted", "stopped")
    settle(ledger, suggest(ledger, 11, space))
    assert suggest(ledger, 10, space).variant == begun.variant


def test_a_trial_that_another_worker_has_is_not_given(make_ledger: MakeLedger) -> None:
    ledger, space = make_ledger(), find_space("seed")
    suggest(ledger, 0, space)
    found = ask(ledger, 0, space=space, protocol=PROTOCOL, search=SEARCH, seed=SEED)
    assert found is None


@pytest.mark.parametrize("space", [find_space("seed"), small(0.5)], ids=["seed", "small"])
def test_a_search_that_was_interrupted_suggests_what_an_uninterrupted_one_does(
    make_ledger: MakeLedger, space: Space
) -> None:
    """Interrupted before and after a variant was chosen, while drawn at random and by TPE."""
    whole, broken = make_ledger(), make_ledger()
    for ordinal in range(STARTUP_TRIALS + 5):
        expected = settle(whole, suggest(whole, ordinal, space))
        if ordinal in (0, 3, 11, 13):
            lost = suggest(broken, ordinal, space)
            if ordinal in (3, 13):
                describe(lost)
            broken.drop(lost.trial.number, "interrupted", "stopped")
        assert settle(broken, suggest(broken, ordinal, space)) == expected, ordinal
    assert broken.read().infeasible == whole.read().infeasible


def test_another_seed_suggests_other_variants(make_ledger: MakeLedger) -> None:
    ledger, other, space = make_ledger(), make_ledger(), find_space("seed")
    assert suggest(ledger, 2, space).variant != suggest(other, 2, space, seed=SEED + 1).variant


PAIR = """
question = "Two or three blocks?"
[parameters.blocks]
type = "int"
low = 2
high = 3
why = "w"
"""


def test_a_variant_that_has_been_tried_is_not_suggested_again(make_ledger: MakeLedger) -> None:
    """Eight variants, two of them the references: the next six trials take the other six."""
    text = PAIR.replace("low = 2", "low = 1").replace("high = 3", "high = 3")
    text += '[parameters.pooling]\ntype = "choice"\nchoices = ["max", "average"]\nwhy = "w"\n'
    space = parse_space(text, name="pair", where="pair.toml")
    ledger = make_ledger()
    found = [settle(ledger, suggest(ledger, ordinal, space)) for ordinal in range(7)]
    assert len({str(variant) for variant in found}) == 7
    record = ledger.read()
    assert [trial.number for trial in record.trials] == list(range(7))
    assert {(trial.state, trial.attempts) for trial in record.trials} == {("complete", 1)}


def test_where_nothing_else_is_left_a_variant_is_repeated(make_ledger: MakeLedger) -> None:
    space = parse_space(PAIR, name="pair", where="pair.toml")
    ledger = make_ledger()
    found = [settle(ledger, suggest(ledger, ordinal, space)) for ordinal in range(2, 6)]
    assert {variant.blocks for variant in found} == {2, 3}
    repeated = [ledger.look().turned_down["duplicate"][ordinal] for ordinal in range(2, 6)]
    assert repeated[0] == 0
    assert repeated[-1] == MOST_DUPLICATES


def test_two_workers_that_are_given_the_same_variant_do_not_both_train_it(
    make_ledger: MakeLedger,
) -> None:
    """The one that asked first keeps it, though neither has ended."""
    space = parse_space(PAIR, name="pair", where="pair.toml")
    ledger = make_ledger()
    first, second = (suggest(ledger, ordinal, space) for ordinal in (2, 3))
    assert first.variant != second.variant


@pytest.mark.parametrize("name", ["tpe", "random"])
def test_every_sampler_gives_the_same_again_from_the_same_seed(
    make_ledger: MakeLedger, name: str
) -> None:
    search, space = search_settings(name), find_space("seed")
    ledgers = make_ledger(), make_ledger()
    for ordinal in range(2, 14):
        pair = []
        for ledger in ledgers:
            found = ask(ledger, ordinal, space=space, protocol=PROTOCOL, search=search, seed=SEED)
            assert found is not None
            pair.append(settle(ledger, found))
        assert pair[0] == pair[1]


def test_what_a_ledger_remembers_of_the_space_changes_no_suggestion(
    make_ledger: MakeLedger,
) -> None:
    """One that is opened anew for every trial suggests the same as one that stays open.

    Also where parameters are left out, as those that a reference has outside of its range.
    """
    text = find_space("seed").text.replace("high = 0.6", "high = 0.4")
    space = parse_space(text, name="narrow", where="the test")
    stays, anew = make_ledger(), make_ledger()
    for ordinal in range(16):
        anew.intersection = IntersectionSearchSpace(include_pruned=True)
        pair = []
        for ledger in (stays, anew):
            found = ask(ledger, ordinal, space=space, protocol=PROTOCOL, search={}, seed=SEED)
            assert found is not None
            plain = TPESampler(multivariate=True)
            with_it = ledger.optuna_study.sampler
            study, trial = ledger.optuna_study, ledger.optuna_study.trials[-1]
            if ordinal > 1:
                assert with_it.infer_relative_search_space(
                    study, trial
                ) == plain.infer_relative_search_space(study, trial)
            pair.append(settle(ledger, found))
        assert pair[0] == pair[1]
