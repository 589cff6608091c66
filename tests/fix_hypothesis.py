"""How hard Hypothesis searches: `quick` while one works, `thorough` for make test-all.

Neither has a deadline: how long one example takes depends on who else uses the machine, and a test must
not. A machine that wants another number of programs takes it from `settings.default`, times a factor.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=2000)
settings.load_profile("quick")
