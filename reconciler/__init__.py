"""Decides what to change, remembers, and applies it."""
