"""The report: one HTML file of what was spent, what waits and what failed, with the SQL behind every number.

`blocks` declares what is asked, `charts` draws, `page` puts it together. It reads the published copy only.
"""
