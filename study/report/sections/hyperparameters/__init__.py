"""What separates the better trials from the rest."""
