"""Hypothesis profiles: `ci` repeats the same examples everywhere, `dev` is quick, `deep` is random and long."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=slow)
settings.register_profile("dev", deadline=None, max_examples=20, suppress_health_check=slow)
settings.register_profile("deep", deadline=None, max_examples=2000, suppress_health_check=slow)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
