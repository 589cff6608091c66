"""The same API from the other side: sign, send, retry; compare, transfer, keep what was learnt."""
