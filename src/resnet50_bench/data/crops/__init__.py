"""Images preprocessed beforehand: `store` finds and maps them, `writer` makes them, resumable."""
