//! Test doubles that misbehave as the real things do: mock provider, fault proxy.
