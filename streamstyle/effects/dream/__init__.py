"""`dream`: DeepDream on images and videos."""
