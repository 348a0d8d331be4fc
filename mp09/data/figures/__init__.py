"""Renders the figures of synthetic images: airplanes, frogs, trucks and others, as bodies in space."""
