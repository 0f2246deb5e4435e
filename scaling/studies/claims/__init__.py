"""What each study claims, and the criteria of its checks."""
