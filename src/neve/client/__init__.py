"""The same API from the other side: send, retry, transfer."""
