"""Models: published ones are loaded and cut into backbone and head, frozen, given new heads, and exported."""
