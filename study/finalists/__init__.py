"""After the search: the finalists, trained again over folds, and the network that is kept."""
