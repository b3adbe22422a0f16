"""Sources: which images there are, and what their folders, tables or files say of them."""
