"""Folds: the paper's numbers, nobody tested twice, and the published file is what the rule gives."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guided_attention.data import CHAOS_FOLDS, CHAOS_SUBJECTS, folds_for, make_folds
from guided_attention.data.folds import published
from guided_attention.errors import SettingsError

IDS = "1 2 3 5 8 10 13 15 19 20 21 22 31 32 33 34 36 37 38 39".split()


def parts(fold):
    return fold.train, fold.validation, fold.test


def test_the_published_file_is_what_the_rule_gives():
    content = json.loads((files("guided_attention.data") / "folds.json").read_text())
    assert content == json.loads(json.dumps(published(make_folds(IDS))))
    assert CHAOS_FOLDS == make_folds(IDS) == folds_for(IDS)
    assert {fold["seed"] for fold in content["folds"]} == {2020}


def test_chaos_13_2_5():
    assert list(CHAOS_SUBJECTS) == IDS
    assert [fold.index for fold in CHAOS_FOLDS] == [0, 1, 2]
    for fold in CHAOS_FOLDS:
        assert tuple(map(len, parts(fold))) == (13, 2, 5)
        assert set().union(*parts(fold)) == set(IDS)
    tested = [s for fold in CHAOS_FOLDS for s in fold.test]
    assert len(set(tested)) == len(tested) == 15
    validating = [s for fold in CHAOS_FOLDS for s in fold.validation]
    assert len(set(validating)) == len(validating) == 6


@pytest.mark.parametrize("name", ["subject_{:02d}", "{:02d}", "{}"])
def test_the_same_people_under_other_names_get_the_same_folds(name):
    renamed = folds_for(name.format(int(i)) for i in reversed(IDS))
    for ours, theirs in zip(CHAOS_FOLDS, renamed, strict=True):
        for a, b in zip(parts(ours), parts(theirs), strict=True):
            assert tuple(name.format(int(i)) for i in a) == b


def test_other_sets_follow_the_rule():
    assert folds_for(IDS[:19]) == make_folds(IDS[:19])
    assert folds_for(["a", "b", "c", "d"]) == make_folds(["d", "c", "b", "a"])


@settings(deadline=None, max_examples=60)
@given(count=st.integers(3, 80), folds=st.integers(1, 4), seed=st.integers(0, 5))
def test_any_number_of_subjects(count, folds, seed):
    names = [f"s{i}" for i in range(max(count, folds))]
    made = make_folds(names, folds, seed)
    assert len(made) == folds
    for fold in made:
        train, validation, test = map(set, parts(fold))
        assert not train & validation
        assert not train & test
        assert not validation & test
        assert train | validation | test == set(names)
        assert min(map(len, (train, validation, test))) >= 1
        assert abs(len(test) - len(names) / 4) <= 1
        assert abs(len(validation) - len(names) / 10) <= 1
        assert fold.seed == seed
    tested = [s for fold in made for s in fold.test]
    assert len(set(tested)) == len(tested)
    validating = [s for fold in made for s in fold.validation]
    assert len(set(validating)) == len(validating)


def test_another_seed_draws_other_folds():
    assert make_folds(IDS, seed=1)[0].test != make_folds(IDS, seed=2)[0].test


def test_bad_arguments_are_named():
    with pytest.raises(SettingsError, match="need at least 3 subjects, found 2"):
        make_folds(["a", "b"])
    with pytest.raises(SettingsError, match="every name may occur once"):
        make_folds(["a", "b", "a"])
    with pytest.raises(SettingsError, match="folds=5"):
        make_folds(IDS, folds=5)
    with pytest.raises(FrozenInstanceError):
        CHAOS_FOLDS[0].seed = 3
