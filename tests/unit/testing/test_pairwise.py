"""All pairs meet, in few combinations."""

from itertools import combinations, product

from pairwise import all_pairs


def test_every_pair_meets_and_most_combinations_are_spared():
    factors = (["a", "b", "c", "d"], ["w", "x", "y"], [1, 2, 3], ["p", "q"])
    chosen = all_pairs(*factors)
    for one, other in combinations(range(4), 2):
        assert {(row[one], row[other]) for row in chosen} == set(product(factors[one], factors[other]))
    assert 12 <= len(chosen) <= 18
    assert chosen == all_pairs(*factors)
