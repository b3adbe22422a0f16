"""The tab on the finalists: cross-validation, the choice of the winner, its final network."""
