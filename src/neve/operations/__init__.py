"""One module for each API operation; each reads like its specification.

Every operation is a plain function `(ctx: Context, caller: Caller, request: …Request) -> …Response` named
like the API's, in a module of the same name, that raises `RequestError`s and `StoreError`s.
"""
