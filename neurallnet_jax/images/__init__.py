"""Image files to uint8 arrays: decoding, folders, twins, splits, drawing, augmentation. Knows no model."""
