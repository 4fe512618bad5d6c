"""GitHub's side: its REST API, through PyGithub."""
