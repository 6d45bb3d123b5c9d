"""The description of the JSON routes: what each takes and answers, as OpenAPI and as a page for people."""
