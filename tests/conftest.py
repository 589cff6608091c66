"""Nothing but the list of fixture plugins; each says in its own text what it gives."""

pytest_plugins = [
    "fix_logs",
    "fix_hypothesis",
    "fix_world",
    "fix_server",
    "fix_commands",
    "fix_images",
    "fix_administration",
    "fix_moto",
    "fix_openbao",
    "fix_scoreboard",
]
