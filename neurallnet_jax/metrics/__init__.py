"""Arrays to numbers: scores, intervals, calibration. Knows neither models nor files."""
