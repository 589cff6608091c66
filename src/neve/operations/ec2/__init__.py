"""The EC2 calls that today's clients of the direct APIs need."""
