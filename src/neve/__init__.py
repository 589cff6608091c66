"""neve: self-hosted block snapshots that speak the Amazon EBS direct APIs."""

__version__ = "0.1.0"
