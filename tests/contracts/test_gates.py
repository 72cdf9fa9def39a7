"""Every built-in one-shot method passes the published contract."""

from __future__ import annotations

from archloom.oneshot import (
    Darts,
    DrNas,
    Enas,
    FairNas,
    Gates,
    Gdas,
    PcDarts,
    ProxylessNas,
    Sandwich,
    Snas,
    Uniform,
)
from archloom.testing import GatesContract


class TestUniform(GatesContract):
    def make(self) -> Gates:
        return Uniform()


class TestFairNas(GatesContract):
    def make(self) -> Gates:
        return FairNas()


class TestSandwich(GatesContract):
    def make(self) -> Gates:
        return Sandwich(random=1)


class TestDarts(GatesContract):
    def make(self) -> Gates:
        return Darts(order=2)


class TestGdas(GatesContract):
    def make(self) -> Gates:
        return Gdas()


class TestPcDarts(GatesContract):
    def make(self) -> Gates:
        return PcDarts(partial=2)


class TestDrNas(GatesContract):
    def make(self) -> Gates:
        return DrNas()


class TestDrNasProgressive(GatesContract):
    def make(self) -> Gates:
        return DrNas(regulariser="kl", first_partial=4, progressive=True)


class TestProxylessNas(GatesContract):
    def make(self) -> Gates:
        return ProxylessNas()


class TestSnas(GatesContract):
    def make(self) -> Gates:
        return Snas()


class TestEnas(GatesContract):
    steps = 250
    rate = 0.05

    def make(self) -> Gates:
        return Enas(size=16, samples=2)
