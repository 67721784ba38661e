"""What a run of verdicts looks like: terminal, JSON, JUnit XML, Markdown and one self-contained HTML page."""
