"""`make bench`: what Headgate costs and how fast it is, as ratios within one run."""
