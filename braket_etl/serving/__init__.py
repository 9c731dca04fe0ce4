"""What others are handed: the dashboard with its metrics over HTTP, and the questions over the Model Context Protocol."""
