"""The parts of a study's page, a module each: what to look for, what this study shows, figures."""
