"""`make run`: the whole path on a year of a grocery chain's data, on this machine."""
