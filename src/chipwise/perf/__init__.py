"""What can a chip do? Training and inference yields with an interval and the evidence named."""
