"""One module or package a dialect; found by looking, listed nowhere."""
