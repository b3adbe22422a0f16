"""The audit: what is wrong with a set of images, told before anything is trained."""
