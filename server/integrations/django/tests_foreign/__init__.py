"""Tests with a user model whose id is a UUID: an app, because the model is a setting of the run."""
