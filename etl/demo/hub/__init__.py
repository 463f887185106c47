"""A local server that speaks the Hugging Face Hub's HTTP protocol, so that crawls run without the network."""

from etl.demo.hub.faults import Fault, Faults
from etl.demo.hub.server import DemoHub

__all__ = ["DemoHub", "Fault", "Faults"]
