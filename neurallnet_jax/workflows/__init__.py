"""What needs both packages: whole chains and the pages that show them. Knows no command line."""
