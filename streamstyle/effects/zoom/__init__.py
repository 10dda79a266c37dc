"""`zoom`: an endless dream zoom into an image."""
