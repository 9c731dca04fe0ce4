"""The files that `braket-etl init` writes: settings, the least IAM policy, and a role for other accounts."""
