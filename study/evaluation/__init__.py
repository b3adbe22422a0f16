"""What a trained network is worth: intervals and the retest."""
