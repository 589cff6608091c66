"""What operators do to a store beside serving it: accounts, users, access keys, policies, KMS keys."""
