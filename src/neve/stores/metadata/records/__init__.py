"""The rules of the contract over one open SQL transaction, whatever the database."""
