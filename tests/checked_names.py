# pyright: reportAttributeAccessIssue=true, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers know of the table, checked by pyright alone: nothing here is run."""

from typing import assert_type

import protozoo as pz


def rows_are_known_by_their_names() -> None:
    assert_type(pz.zoo.GMLVQ, pz.zoo.Recipe)
    assert_type(pz.zoo.RiemannianSMNG, pz.zoo.Recipe)
    assert_type(pz.zoo.GaussianMixture, pz.zoo.Recipe)
    assert_type(pz.zoo.GMLVQ([[0.0]], [0], key=0), pz.PrototypeModel)


def misspelt_names_are_errors() -> None:
    print(pz.zoo.GMLV)  # pyright: ignore[reportAttributeAccessIssue]
