"""A Django that receives access tokens of Propusk."""

__version__ = "0.1.0"
