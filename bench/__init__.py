"""What is measured by hand; the figures are in the reports."""
