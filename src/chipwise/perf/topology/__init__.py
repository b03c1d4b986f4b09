"""Machines as collectives see them: tiers of links from the scale-up domain to the spine."""

from chipwise.perf.topology.build import machine
from chipwise.perf.topology.objects import Machine, MixedMachine, Tier, mixed_machine
from chipwise.perf.topology.shapes import bandwidth_share

__all__ = ["Machine", "MixedMachine", "Tier", "bandwidth_share", "machine", "mixed_machine"]
