"""From a Classifier and a data set to a Checkpoint. Knows no command line."""
