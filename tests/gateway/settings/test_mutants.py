"""A seeded sample of tests/fuzz/settings.py: broken files are refused at their place, never with a traceback."""

import random
from pathlib import Path

import pytest

from tests.fuzz.settings import MUTATIONS, Mutant, complaint, mutant


def test_mutants_are_refused_at_their_place(tmp_path: Path) -> None:
    chance = random.Random(20261123)
    complaints = [words for _ in range(60) if (words := complaint(mutant(chance), tmp_path)) is not None]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_each_kind_of_mutation_changes_the_file(mutation: object) -> None:
    from tests.gateway.settings.example import SITE

    assert callable(mutation)
    lines, first, last = mutation(SITE.splitlines(), random.Random(1))
    assert lines != SITE.splitlines()
    assert 0 <= first <= last <= len(lines)


def test_the_judge_sees_a_mistake_that_is_accepted_or_misplaced(tmp_path: Path) -> None:
    from tests.gateway.settings.example import SITE

    assert "accepted" in (complaint(Mutant("none", SITE, 1, 1), tmp_path) or "")
    assert "wanted lines 40 to 40" in (complaint(Mutant("far", "a: 1\n", 40, 40), tmp_path) or "")
