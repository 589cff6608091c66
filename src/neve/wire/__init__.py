"""Bytes to messages and back: rest-json for EBS, the query protocol for EC2. No I/O."""
