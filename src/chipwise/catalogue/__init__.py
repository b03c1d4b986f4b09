"""Chips, systems, prices, supply and model shapes; every figure sourced and dated."""

from chipwise.catalogue.catalogue import Catalogue
from chipwise.catalogue.load import load_catalogue
from chipwise.catalogue.objects import Alias, Chip, Model, Price, Supply, System
from chipwise.catalogue.shapes import ModelShape

__all__ = ["Alias", "Catalogue", "Chip", "Model", "ModelShape", "Price", "Supply", "System", "load_catalogue"]
