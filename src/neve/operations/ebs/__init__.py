"""The six operations of the EBS direct APIs."""
