"""From a neural network and a silicon budget to an accelerator in Verilog, proven against its models."""

from importlib.metadata import version

__version__ = version("systolith")
