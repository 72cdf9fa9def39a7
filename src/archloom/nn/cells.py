"""Cells of the papers, written with `pick` only, and the strings that the papers use for them.

Each cell is a function that asks its choices of the pick that it is given and builds plain torch.
"""

from __future__ import annotations

from archloom.nn._cell_ops import (
    DARTS_OPERATIONS,
    NASBENCH201_OPERATIONS,
    OPERATIONS,
    halved,
    operations,
    relu_conv_norm,
    zero,
)
from archloom.nn._darts_cell import darts_cell
from archloom.nn._genotype import canonical_genotype, from_genotype, to_genotype
from archloom.nn._nasbench101_cell import nasbench101_cell
from archloom.nn._nasbench101_spec import (
    NASBENCH101_OPERATIONS,
    from_nasbench101,
    nasbench101_hash,
    pruned_nasbench101,
    to_nasbench101,
)
from archloom.nn._nasbench201_cell import nasbench201_cell
from archloom.nn._nasbench201_string import (
    canonical_nasbench201,
    from_nasbench201,
    to_nasbench201,
)

__all__ = [
    "DARTS_OPERATIONS",
    "NASBENCH101_OPERATIONS",
    "NASBENCH201_OPERATIONS",
    "OPERATIONS",
    "canonical_genotype",
    "canonical_nasbench201",
    "darts_cell",
    "from_genotype",
    "from_nasbench101",
    "from_nasbench201",
    "halved",
    "nasbench101_cell",
    "nasbench101_hash",
    "nasbench201_cell",
    "operations",
    "pruned_nasbench101",
    "relu_conv_norm",
    "to_genotype",
    "to_nasbench101",
    "to_nasbench201",
    "zero",
]
