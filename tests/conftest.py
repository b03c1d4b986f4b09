"""Fixtures shared by all tests: the shipped catalogue and scenarios, and small planning problems."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import settings

from chipwise.catalogue import Catalogue, load_catalogue
from chipwise.scenario import Scenario, load_scenario

os.environ["CHIPWISE_CACHE"] = tempfile.mkdtemp(prefix="chipwise-test-cache-")
"""Tests keep yields in a folder of their own, never in the user's cache."""
settings.register_profile("chipwise", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("chipwise")


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def baidu(catalogue: Catalogue) -> Scenario:
    return load_scenario("baidu-2023", catalogue=catalogue)


@pytest.fixture(scope="session")
def startup(catalogue: Catalogue) -> Scenario:
    return load_scenario("small-startup-2023", catalogue=catalogue)
