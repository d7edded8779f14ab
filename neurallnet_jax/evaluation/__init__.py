"""A checkpoint against images: scores with intervals. Knows no hardware."""
